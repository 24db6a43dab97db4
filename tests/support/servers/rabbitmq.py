"""A RabbitMQ server."""

import shutil
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

from tests.support.servers.containers import Container
from tests.support.servers.processes import Process
from tests.support.servers.server import answers, free_port

IMAGE = "rabbitmq:4-management"

_PROGRAMS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server"))


def find_program() -> Path | None:
    # Debian's own wrapper on the PATH would change the user to rabbitmq: past it to the real one
    found = next((program for program in _PROGRAMS if program.exists()), None)
    on_path = shutil.which("rabbitmq-server")
    return found or (Path(on_path) if on_path else None)


def container() -> Container:
    port = free_port()
    user, password = "parley", uuid4().hex
    environment = {
        "RABBITMQ_DEFAULT_USER": user,
        "RABBITMQ_DEFAULT_PASS": password,
        "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",  # plug-ins take seconds to start
    }
    url = f"amqp://{user}:{password}@127.0.0.1:{port}/"
    return Container(IMAGE, ["rabbitmq-server"], environment, {5672: port}, url, lambda: speaks_amqp(port))


class RabbitMQProcess(Process):
    def __init__(self, program: Path) -> None:
        super().__init__("rabbitmq")
        self._program = program
        self._port = free_port()
        self._distribution_port = free_port()
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self._port}\nloopback_users = none\n"
        )

    def command(self) -> list[str]:
        return [str(self._program)]

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),  # for the Erlang cookie
            "RABBITMQ_NODENAME": f"parley-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def start(self) -> None:
        if self._epmd is None:
            # its own port mapper, in the foreground: the one that Erlang starts by itself outlives everything
            self._epmd = self.spawn([shutil.which("epmd") or "epmd"])
        super().start()

    def close(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
        super().close()

    def serves(self) -> bool:
        return speaks_amqp(self._port)


def speaks_amqp(port: int) -> bool:
    """The protocol header is answered by a method frame (AMQP 0-9-1, section 2.2.4)."""
    return answers(port, b"AMQP\x00\x00\x09\x01", b"\x01")
