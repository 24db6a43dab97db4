"""Durable rooms: how many messages a second, and how soon everybody has them (P2, P3, P4)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.load.latency import Latency, Listener, of_deliveries, of_last_deliveries
from bench.load.loop import Loop, Reader
from bench.processes import cpu_seconds

WARM_UP_S = 1.0
_GIVEN_UP_AFTER_S = 60


class Talker(Reader, Protocol):
    """`acked` are the numbers of the messages that were acknowledged, in order."""

    @property
    def acked(self) -> Sequence[int]: ...


class Member(Reader, Listener, Protocol):
    """Who reads only. `heard` is how many messages it has had."""

    @property
    def heard(self) -> int: ...


class Room(Protocol):
    """A room with everybody connected: some talk, in turn, and the others listen."""

    @property
    def talkers(self) -> Sequence[Talker]: ...

    @property
    def members(self) -> Sequence[Member]: ...

    @property
    def pids(self) -> Sequence[int]:
        """Of all processes that serve it."""

    def say(self, numbers: Sequence[int]) -> None:
        """Send messages of these numbers, the next ones."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """Messages acknowledged per second while so many were always on their way, and the CPU seconds of the servers and
    of the load generator for each second."""

    window: int
    per_second: float
    servers: float
    generator: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages at even times, `per_second`: in milliseconds from when each was to be sent until one, and until the last
    of the members had it. `sent_late` is by how much the generator itself was late, at most."""

    per_second: float
    delivery: Latency
    last_delivery: Latency
    sent_late: float
    servers: float
    generator: float


def saturate(room: Room, window: int, seconds: float) -> Saturation:
    """Raises `Stuck` if anything is missing in the end, and `AssertionError` if anything is doubled or out of order."""
    loop = Loop([*room.talkers, *room.members])
    said, begin = 0, time.monotonic()
    counted: list[tuple[float, int, float, float]] = []
    for until in (begin + WARM_UP_S, begin + WARM_UP_S + seconds):
        while time.monotonic() < until:
            may_say = _acked(room) + window
            if may_say > said:
                room.say(range(said, may_say))
                said = may_say
            loop.read(0.05)
        counted.append((time.monotonic(), _acked(room), cpu_seconds(room.pids), time.process_time()))
    took, acked, servers, own = (after - before for before, after in zip(*counted, strict=True))
    _finish(loop, room, said)
    return Saturation(window, acked / took, servers / took, own / took)


def pace(room: Room, per_second: float, seconds: float) -> Pace:
    """Raises as `saturate` does."""
    loop = Loop([*room.talkers, *room.members])
    late: list[float] = []
    begin = time.monotonic() + 0.2
    schedule = [begin + number / per_second for number in range(int(per_second * seconds))]

    def send(number: int) -> None:
        late.append(time.monotonic() - schedule[number])
        room.say([number])

    servers, own = cpu_seconds(room.pids), time.process_time()
    loop.run(schedule, send, lambda: _has_all(room, len(schedule)), _GIVEN_UP_AFTER_S)
    took = time.monotonic() - begin
    servers, own = (cpu_seconds(room.pids) - servers) / took, (time.process_time() - own) / took
    _check(room, len(schedule))
    loop.close()
    measured = slice(int(per_second * WARM_UP_S), None)
    return Pace(
        per_second,
        Latency.of(of_deliveries(room.members, schedule)),
        Latency.of(of_last_deliveries(room.members, schedule)[measured]),
        1000 * max(late),
        servers,
        own,
    )


def _acked(room: Room) -> int:
    return sum(len(talker.acked) for talker in room.talkers)


def _has_all(room: Room, said: int) -> bool:
    return _acked(room) == said and all(member.heard == said for member in room.members)


def _finish(loop: Loop, room: Room, said: int) -> None:
    loop.run([], lambda _: None, lambda: _has_all(room, said), _GIVEN_UP_AFTER_S)
    _check(room, said)
    loop.close()


def _check(room: Room, said: int) -> None:
    """Each message acknowledged once and heard once by each, in one order for all, which keeps that of each talker."""
    acked = sorted(number for talker in room.talkers for number in talker.acked)
    first, *orders = [member.arrivals()[0] for member in room.members]
    own = [first[first % len(room.talkers) == talker] for talker in range(len(room.talkers))]
    if not (
        acked == list(range(said))
        and np.array_equal(np.sort(first), np.arange(said))
        and all(np.array_equal(order, first) for order in orders)
        and all(np.all(np.diff(numbers) > 0) for numbers in own)
    ):
        raise AssertionError("something was lost, doubled, or out of order")
