"""The product under test: the single process, or the compose stack."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import docker
import httpx

from tests.support import unlimited

REPOSITORY = Path(__file__).parents[2]

READY_WITHIN_S = 30
ENDS_WITHIN_S = 5


class Product(Protocol):
    """Where the product is. `signing_key` is what its operator signs access tokens with (PARLEY_SIGNING_KEY)."""

    base_url: str

    @property
    def signing_key(self) -> str: ...

    def logs(self) -> str:
        """What its services have logged: JSON lines, among others."""


SERVICES = ("user_service", "chat_service", "gateway_ws", "bloom_service")


class Standalone:
    """`python -m standalone`, with its own port and data folder. `settings` are environment variables."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self._log = folder / "log.jsonl"
        self._port = _free_port()
        self.base_url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def signing_key(self) -> str:
        return (self.folder / "data" / "signing_key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when `/readyz` says so."""
        environment = {
            **os.environ,
            **unlimited.ENVIRONMENT,
            "PARLEY_HOST": "127.0.0.1",
            "PARLEY_PORT": str(self._port),
            "PARLEY_DATA_DIR": str(self.folder / "data"),
            "PARLEY_LOG_FORMAT": "json",
            "PARLEY_LOG_LEVEL": "info",
            **self._settings,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "standalone"],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while not _is_ready(self.base_url):
            assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.tail()}"
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"not ready within {READY_WITHIN_S} s:\n{self.tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, without waiting for the end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code, of a process that ends within the promised time after SIGTERM."""
        assert self._process is not None
        try:
            return self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {ENDS_WITHIN_S} s of SIGTERM:\n{self.tail()}") from None

    def stop(self) -> None:
        """Ends it as an operator would, and sees that it ended well."""
        self.terminate()
        code = self.wait()
        assert code == 0, f"ended with {code}:\n{self.tail()}"

    def logs(self) -> str:
        return self._log.read_text()

    def tail(self) -> str:
        return self.logs()[-5000:]


class Stack:
    """The running compose stack, whose containers are found by the labels that compose gives them."""

    def __init__(self, base_url: str, project: str) -> None:
        self.base_url = base_url
        self._project = project
        self._docker = docker.from_env()

    def containers(self, service: str) -> list[Any]:
        labels = [
            f"com.docker.compose.project={self._project}",
            f"com.docker.compose.service={service}",
            # whatever runs an image that compose has built has the other two as well
            "com.docker.compose.oneoff=False",
        ]
        found = self._docker.containers.list(all=True, filters={"label": labels})
        assert found, f"{service} has no container in the compose project {self._project}"
        return sorted(found, key=lambda container: str(container.name))

    @property
    def signing_key(self) -> str:
        environment: list[str] = self.containers("user_service")[0].attrs["Config"]["Env"]
        return next(value for name, _, value in (line.partition("=") for line in environment) if name == _SIGNING_KEY)

    def logs(self) -> str:
        return "".join(container.logs().decode() for service in SERVICES for container in self.containers(service))

    def close(self) -> None:
        self._docker.close()


_SIGNING_KEY = "PARLEY_SIGNING_KEY"


def _is_ready(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
