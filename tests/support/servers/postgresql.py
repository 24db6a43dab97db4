"""A PostgreSQL server."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import asyncpg

from tests.support.servers.containers import Container
from tests.support.servers.processes import Process
from tests.support.servers.server import free_port

IMAGE = "postgres:17"
PACKAGE = "postgresql"

_CONNECTIONS = "max_connections=300"


def find_program() -> Path | None:
    """The newest installed `postgres`. Debian keeps it off the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda program: int(re.sub(r"\D", "", program.parts[-3]) or 0),
    )
    on_path = shutil.which("postgres")
    return versions[-1] if versions else Path(on_path) if on_path else None


def container() -> Container:
    port = free_port()
    password = uuid4().hex
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    return Container(IMAGE, {"POSTGRES_PASSWORD": password}, {5432: port}, url, lambda: answers(url))


class PostgreSQLProcess(Process):
    def __init__(self, program: Path) -> None:
        super().__init__("postgresql")
        self._program = program
        self._port = free_port()
        self._data = self.folder / "data"
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        # it refuses to run as root
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        initdb = [str(program.with_name("initdb")), "--auth=trust", "--username=postgres", f"--pgdata={self._data}"]
        subprocess.run(
            [*self._as_user, *initdb, "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )

    def command(self) -> list[str]:
        settings = (
            "listen_addresses=127.0.0.1",
            f"port={self._port}",
            f"unix_socket_directories={self.folder}",
            _CONNECTIONS,
        )
        options = [part for setting in settings for part in ("-c", setting)]
        return [*self._as_user, str(self._program), "-D", str(self._data), *options]

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder)}

    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # fast shutdown: does not wait for clients to leave

    def serves(self) -> bool:
        return answers(self.url)


def answers(url: str) -> bool:
    async def connect() -> bool:
        try:
            connection = await asyncpg.connect(url, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    return asyncio.run(connect())
