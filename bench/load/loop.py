"""Reads from whoever has something, and sends when it is time to: in one thread."""

import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

_NEVER = float("inf")


class Reader(Protocol):
    @property
    def sock(self) -> socket.socket: ...

    def read(self) -> None:
        """Take what has come."""


class Stuck(Exception):
    """What was to come has not come in time."""


class Loop:
    """`most` bounds how many are read before it is looked at whether it is time to send; -1: all who have something."""

    def __init__(self, readers: Iterable[Reader], most: int = -1) -> None:
        self._epoll = select.epoll()
        self._most = most
        self._read: dict[int, Callable[[], None]] = {}
        for reader in readers:
            self.add(reader)

    def add(self, reader: Reader, events: int = select.EPOLLIN) -> None:
        """From now on its `read` is called when one of these has come, and nobody else's who has the same socket."""
        fd = reader.sock.fileno()
        if fd in self._read:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._read[fd] = reader.read

    def remove(self, reader: Reader) -> None:
        """Nothing of it is read any more. To be called before its socket is closed."""
        fd = reader.sock.fileno()
        self._epoll.unregister(fd)
        del self._read[fd]

    def run(
        self, schedule: Sequence[float], send: Callable[[int], None], is_done: Callable[[], bool], give_up_after: float
    ) -> None:
        """Call `send` with each number at its time (monotonic), however late the others are answered, and read until
        `is_done`. Raises `Stuck` if it isn't for so many seconds after the last time."""
        sent, due = 0, schedule[0] if schedule else _NEVER
        give_up_at = (schedule[-1] if schedule else time.monotonic()) + give_up_after
        while sent < len(schedule) or not is_done():
            now = time.monotonic()
            while due <= now:
                send(sent)
                sent += 1
                due = schedule[sent] if sent < len(schedule) else _NEVER
            if now > give_up_at:
                raise Stuck(f"not done {give_up_after} s after the last was sent")
            self.read(min(due - now, 0.1))

    def read(self, timeout: float) -> None:
        """Wait for so many seconds at most, and take what has come."""
        read = self._read
        for fd, _ in self._epoll.poll(max(timeout, 0), self._most):
            read[fd]()

    def close(self) -> None:
        self._epoll.close()
