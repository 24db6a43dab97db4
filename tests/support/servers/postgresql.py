"""A PostgreSQL server. What it has committed outlives the process; for speed's sake it need not outlive the machine,
unless that is asked for."""

import os
import re
import shutil
import signal
import struct
from pathlib import Path
from uuid import uuid4

from tests.support.servers.containers import Container
from tests.support.servers.processes import Process
from tests.support.servers.server import answers, free_port

IMAGE = "postgres:17"

_SETTINGS = ("max_connections=300", "fsync=off")


def find_program() -> Path | None:
    """The newest installed `postgres`. Debian keeps it off the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda program: int(re.sub(r"\D", "", program.parts[-3]) or 0),
    )
    on_path = shutil.which("postgres")
    return versions[-1] if versions else Path(on_path).resolve() if on_path else None


def container() -> Container:
    port = free_port()
    password = uuid4().hex
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    environment = {"POSTGRES_PASSWORD": password}
    return Container(IMAGE, ["postgres", *_options(_SETTINGS)], environment, {5432: port}, url, lambda: lets_in(port))


class PostgreSQLProcess(Process):
    """`settings` are the server's own, as `name=value`."""

    def __init__(self, program: Path, *settings: str) -> None:
        super().__init__("postgresql")
        self._program = program
        self._settings = settings
        self._port = free_port()
        self._data = self.folder / "data"
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        # it refuses to run as root
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def start(self) -> None:
        if not self._data.exists():
            self._make_cluster()
        super().start()

    def command(self) -> list[str]:
        own = ("listen_addresses=127.0.0.1", f"port={self._port}", "unix_socket_directories=")
        settings = (*own, *_SETTINGS, *self._settings)  # of two that are alike the last one counts
        return [*self._as_user, str(self._program), "-D", str(self._data), *_options(settings)]

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder)}

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # fast shutdown: does not wait for clients to leave

    def serves(self) -> bool:
        return lets_in(self._port)

    def _make_cluster(self) -> None:
        initdb = [
            str(self._program.with_name("initdb")),
            "--auth=trust",
            "--username=postgres",
            f"--pgdata={self._data}",
        ]
        command = [*self._as_user, *initdb, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        if (code := self.spawn(command).wait()) != 0:
            raise RuntimeError(f"initdb ended with {code}:\n{self.output()}")


def lets_in(port: int) -> bool:
    """A start-up message is answered by a request to authenticate (protocol 3.0); while the server is starting or
    recovering, by an error."""
    parameters = b"user\0postgres\0\0"
    return answers(port, struct.pack("!ii", 8 + len(parameters), 3 << 16) + parameters, b"R")


def _options(settings: tuple[str, ...]) -> list[str]:
    return [part for setting in settings for part in ("-c", setting)]
