"""Many clients who arrive at once: each connects, says hello and is welcomed, without a thread of its own."""

import json
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any
from urllib.parse import urlsplit

from bench.load.frames import hear_control, is_control, missing_of, payload_of
from bench.load.loop import Loop, Reader, Stuck
from bench.peers.websocket import text_frame, upgrade_request

_FEW = 32
_PATIENCE_S = 60
_CONNECTED_IN_A_TURN = 32
_HEAD_BYTES = 4096
_RETRY_AFTER_S = 0.5, 1.5


@dataclass(frozen=True, slots=True)
class Hello:
    """`resume` are the last seqs seen, by room."""

    token: str
    resume: Mapping[str, int] | None = None

    def frame(self) -> bytes:
        hello = {"type": "hello", "token": self.token} | ({"resume": dict(self.resume)} if self.resume else {})
        return text_frame(json.dumps(hello), masked=True)


Welcomed = Callable[[int, socket.socket, Any], Reader]
"""Given which hello was answered, its connection and the welcome. Makes who reads what comes after that."""


class Arrivals:
    """`at_once` bounds how many are on their way. `welcomed` is how many are in, `refused` how often somebody was sent
    away: they try again a moment later, as clients should."""

    def __init__(self, loop: Loop, base_url: str, hellos: Iterable[Hello], at_once: int, welcomed: Welcomed) -> None:
        self.loop = loop
        self.welcomed = 0
        self.refused = 0
        address = urlsplit(base_url)
        self.address = address.hostname or "", address.port or 80
        self._hellos = list(hellos)
        self._at_once = at_once
        self._make_reader = welcomed
        self._waiting = [(0.0, number) for number in range(len(self._hellos))]
        self._on_their_way = 0
        self._random = Random(1)

    def read(self, timeout: float) -> None:
        """Have those connect whose time has come, and read as the loop does."""
        now = time.monotonic()
        for _ in range(_CONNECTED_IN_A_TURN):
            if not self._waiting or self._waiting[0][0] > now or self._on_their_way == self._at_once:
                break
            _, number = heappop(self._waiting)
            self._on_their_way += 1
            _Arrival(self, number, self._hellos[number].frame()).connect()
        self.loop.read(timeout)

    @property
    def all_in(self) -> bool:
        return self.welcomed == len(self._hellos)

    def welcome(self, number: int, sock: socket.socket, welcome: Any) -> None:
        self._on_their_way -= 1
        self.welcomed += 1
        sock.setblocking(True)
        self.loop.add(self._make_reader(number, sock, welcome))

    def refuse(self, number: int) -> None:
        self._on_their_way -= 1
        self.refused += 1
        heappush(self._waiting, (time.monotonic() + self._random.uniform(*_RETRY_AFTER_S), number))


def let_in(loop: Loop, base_url: str, hellos: Iterable[Hello], welcomed: Welcomed) -> None:
    """A few at a time, until all are in. Raises `Stuck`: for long nobody was let in."""
    arrivals = Arrivals(loop, base_url, hellos, _FEW, welcomed)
    in_before, give_up_at = 0, time.monotonic() + _PATIENCE_S
    while not arrivals.all_in:
        arrivals.read(0.1)
        if arrivals.welcomed > in_before:
            in_before, give_up_at = arrivals.welcomed, time.monotonic() + _PATIENCE_S
        elif time.monotonic() > give_up_at:
            raise Stuck(f"{arrivals.welcomed} are in, after {arrivals.refused} refusals")


class _Arrival:
    """One client until it is welcomed. No byte beyond the welcome is read."""

    def __init__(self, arrivals: Arrivals, number: int, hello: bytes) -> None:
        self.sock = socket.socket()
        self._arrivals = arrivals
        self._number = number
        self._hello = hello
        self._data = bytearray()
        self._go_on = self._connected

    def connect(self) -> None:
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect_ex(self._arrivals.address)
        self._arrivals.loop.add(self, select.EPOLLOUT)

    def read(self) -> None:
        try:
            self._go_on()
        except OSError:
            self._arrivals.loop.remove(self)
            self.sock.close()
            self._arrivals.refuse(self._number)

    def _connected(self) -> None:
        self.sock.sendall(upgrade_request("/ws"))
        self._go_on = self._read_head
        self._arrivals.loop.add(self)

    def _read_head(self) -> None:
        self._receive(_HEAD_BYTES)  # the server has nothing to say yet that would come after it
        if self._data.endswith(b"\r\n\r\n"):
            if not self._data.startswith(b"HTTP/1.1 101 "):
                raise ConnectionError(self._data.decode(errors="replace"))
            self._data.clear()
            self.sock.sendall(self._hello)
            self._go_on = self._read_welcome

    def _read_welcome(self) -> None:
        self._receive(missing_of(self._data))
        if (where := payload_of(self._data, 0)) is None:
            return
        first_byte, payload = self._data[0], bytes(self._data[slice(*where)])
        self._data.clear()
        if is_control(first_byte):
            hear_control(self.sock, first_byte, payload)
            return
        welcome = json.loads(payload)
        if welcome["type"] != "welcome":
            raise ConnectionError(str(welcome))
        self._arrivals.welcome(self._number, self.sock, welcome)

    def _receive(self, most: int) -> None:
        chunk = os.read(self.sock.fileno(), most)
        if not chunk:
            raise ConnectionError("ended")
        self._data += chunk
