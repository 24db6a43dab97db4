"""Bare fan-out: what one server process needs to pass a message on to everybody who listens (P1)."""

import re
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version

from bench.load.latency import Latency, of_deliveries
from bench.load.loop import Loop
from bench.load.receiver import Receiver
from bench.load.transcript import Transcript
from bench.peers.fanout import Peer, serving
from bench.processes import GENERATOR_CORE, SERVER_CORE, cpu_seconds, pin, pinned
from tests.support.servers.server import free_port

PAYLOAD_BYTES = 200
_NUMBER = re.compile(rb"\d{16}")
_SETTLED_S = 0.3
_GIVEN_UP_AFTER_S = 20


class OwnPeer(Peer):
    """The gateway's protocol, connections and hub, without the services around them."""

    def available(self) -> str | None:
        return None

    def version(self) -> str:
        packages = ("uvicorn", "websockets", "uvloop")
        return ", ".join((*(f"{package} {version(package)}" for package in packages), f"Python {python_version()}"))

    def command(self, port: int) -> list[str]:
        return [sys.executable, "-m", "bench.servers.fanout", str(port)]


@dataclass(frozen=True, slots=True)
class Work:
    """`per_tick` messages come at once, `ticks` times in each of so many `seconds`."""

    connections: int
    per_tick: int
    ticks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FanOut:
    """`generator_busy` is the share of its core that the load generator took, `sent_late` in milliseconds at most."""

    peer: str
    work: Work
    deliveries: int
    cpu_seconds: float
    latency: Latency
    generator_busy: float
    sent_late: float

    @property
    def per_cpu_second(self) -> float:
        return self.deliveries / self.cpu_seconds


def measure(peer: Peer, works: Sequence[Work]) -> list[FanOut]:
    """One after the other at a new server, which has a core of its own. Raises `Differs` if a subscriber was sent
    anything else than the others, `Stuck` if anything is missing."""
    port = free_port()
    with serving(peer, port) as server, pinned(GENERATOR_CORE):
        pin(server.pid, SERVER_CORE)
        return [_measure(peer, work, port, server.pid) for work in works]


def _measure(peer: Peer, work: Work, port: int, pid: int) -> FanOut:
    transcript = Transcript(_number_of)
    receivers = [Receiver(_connect(peer, port, publisher=False), transcript) for _ in range(work.connections)]
    publisher = _connect(peer, port, publisher=True)
    loop = Loop(receivers)
    messages = int(work.seconds * work.ticks) * work.per_tick
    frames = [peer.publish_frame(f"{number:016d}".ljust(PAYLOAD_BYTES, ".")) for number in range(messages)]
    ticks = [b"".join(frames[start : start + work.per_tick]) for start in range(0, messages, work.per_tick)]
    late: list[float] = []
    begin = time.monotonic() + _SETTLED_S
    schedule = [begin + number / work.ticks for number in range(len(ticks))]

    def send(number: int) -> None:
        late.append(time.monotonic() - schedule[number])
        publisher.sendall(ticks[number])

    loop.read(_SETTLED_S)
    server_before, own_before = cpu_seconds([pid]), time.process_time()
    loop.run(
        schedule,
        send,
        lambda: all(receiver.frames == messages for receiver in receivers),
        give_up_after=_GIVEN_UP_AFTER_S,
    )
    used, own, took = cpu_seconds([pid]) - server_before, time.process_time() - own_before, time.monotonic() - begin
    loop.close()
    if list(transcript.numbers) != list(range(messages)):
        raise AssertionError(f"{peer.name} passed on something else than was said")
    intended = [schedule[number // work.per_tick] for number in range(messages)]
    latency = Latency.of(of_deliveries(receivers, intended))
    for sock in (publisher, *(receiver.sock for receiver in receivers)):
        sock.close()
    time.sleep(_SETTLED_S)
    return FanOut(peer.name, work, messages * work.connections, used, latency, own / took, 1000 * max(late))


def _number_of(payload: bytes) -> int:
    found = _NUMBER.search(payload)
    if found is None:
        raise AssertionError(f"no message: {payload!r}")
    return int(found[0])


def _connect(peer: Peer, port: int, *, publisher: bool) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.handshake(sock, publisher)
    return sock
