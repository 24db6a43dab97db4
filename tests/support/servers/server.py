"""What a test may do with a server of its own."""

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

STARTS_WITHIN_S = 50


class Server(ABC):
    """A server at `url`, which stays the same over restarts, as do its data. The calls block; `OwnServer`'s don't."""

    url: str

    @abstractmethod
    def start(self) -> None:
        """Returns when it serves."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it in good order."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL."""

    @abstractmethod
    def close(self) -> None:
        """Ends it and leaves nothing behind."""


class OwnServer:
    """A `Server` for asynchronous tests."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def restart(self) -> None:
        await self.stop()
        await self.start()


def answers(port: int, question: bytes, beginning: bytes) -> bool:
    """Whether the server on that port answers the question, and its answer begins so."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(question)
            return connection.recv(len(beginning)) == beginning
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(serves: Callable[[], bool], alive: Callable[[], bool], output: Callable[[], str]) -> None:
    """Raises RuntimeError, with the server's output, if it ends or does not serve in time."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not serves():
        if not alive():
            raise RuntimeError(f"the server ended while it was starting:\n{output()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the server did not serve within {STARTS_WITHIN_S} s:\n{output()}")
        time.sleep(0.05)
