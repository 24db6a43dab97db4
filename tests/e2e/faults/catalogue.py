"""Which faults there are, and which of them a run goes through: the same for the same seed."""

import random
from collections.abc import Callable, Iterator
from itertools import permutations

from contracts.routing import COMMANDS, EVENTS
from tests.e2e.faults.deliveries import LateDeliveries, QueueDeleted, QueueFull, Repeated
from tests.e2e.faults.environment import DiskFull, MemoryAlarm, WrongClock
from tests.e2e.faults.fault import Fault
from tests.e2e.faults.network import Cut, Way
from tests.e2e.faults.processes import HEARTBEAT_LOST_AFTER_S, Ended, Killed, Paused
from tests.e2e.faults.stack import PARTS, SERVICES, Part

SHORT_S = (0.5, 4.0)
LONG_S = HEARTBEAT_LOST_AFTER_S + 5.0
_LONG_SHARE = 0.05
HOUR_S = 3600
NOTICED_AFTER_S = 2.5
"""By a process whose clock jumps: libfaketime, and then the server for its answers, look again each second."""

DISK_FULL_S = 2.0
"""At least: so long that something is written meanwhile."""

Faults = tuple[Fault, ...]
"""One, or two at once."""

RABBITMQ, POSTGRES = Part("rabbitmq"), Part("postgres")

_LINKS = frozenset(
    {
        *((service, "rabbitmq") for service in SERVICES),
        ("user_service", "postgres"),
        ("chat_service", "postgres"),
        ("user_service", "bloom_service"),
        ("chat_service", "user_service"),
        ("gateway_ws", "chat_service"),
        ("gateway_ws", "user_service"),
        ("caddy", "user_service"),
        ("caddy", "chat_service"),
        ("caddy", "gateway_ws"),
    }
)
"""Who speaks to whom."""

CUTS = tuple((part, peer) for part, peer in permutations(PARTS, 2) if (part.service, peer.service) in _LINKS)


class Draw:
    """Faults by chance, from a seed: mostly short ones, so that many fit into a run. `long_share` of the pauses and
    cuts outlast the heartbeat."""

    def __init__(self, seed: int, long_share: float = _LONG_SHARE) -> None:
        self._random = random.Random(seed)
        self._long_share = long_share
        self._kinds: list[Callable[[], Fault]] = [
            *[self.killed, self.ended, self.paused, self.cut] * 3,
            self.queue_deleted,
            self.queue_full,
            self.late_deliveries,
            lambda: self.repeated(COMMANDS),
            lambda: self.repeated(EVENTS),
            self.memory_alarm,
            self.disk_full,
            self.wrong_clock,
        ]

    def faults(self) -> Iterator[Faults]:
        """Without end. Every third time, two that have no part in common."""
        while True:
            first = self._any()
            if self._random.random() < 2 / 3:
                yield (first,)
                continue
            while (second := self._any()).parts & first.parts:
                pass
            yield first, second

    def killed(self, part: Part | None = None) -> Fault:
        return Killed(self._short(), part or self._random.choice(PARTS))

    def ended(self, part: Part | None = None) -> Fault:
        return Ended(self._short(), part or self._random.choice(PARTS))

    def paused(self, part: Part | None = None, hold: float | None = None) -> Fault:
        return Paused(hold or self._short_or_long(), part or self._random.choice(PARTS))

    def cut(self, part: Part | None = None, peer: Part | None = None, way: Way | None = None) -> Fault:
        cuts = [cut for cut in CUTS if part in (None, cut[0]) and peer in (None, cut[1])]
        return Cut(self._short_or_long(), *self._random.choice(cuts), way or self._random.choice(list(Way)))

    def queue_deleted(self) -> Fault:
        return QueueDeleted(0, self._seed())

    def queue_full(self) -> Fault:
        return QueueFull(self._short(), self._seed())

    def late_deliveries(self) -> Fault:
        return LateDeliveries(self._short(), self._seed())

    def repeated(self, exchange: str) -> Fault:
        return Repeated(self._short(), self._seed(), exchange)

    def memory_alarm(self) -> Fault:
        return MemoryAlarm(self._short())

    def disk_full(self) -> Fault:
        return DiskFull(max(DISK_FULL_S, self._short()))

    def wrong_clock(self, offset: int | None = None) -> Fault:
        part = self._random.choice([part for part in PARTS if part.service in SERVICES])
        hold = max(NOTICED_AFTER_S, self._short())
        return WrongClock(hold, part, offset or self._random.choice([HOUR_S, -HOUR_S]))

    def _any(self) -> Fault:
        return self._random.choice(self._kinds)()

    def replica(self, service: str) -> Part:
        return self._random.choice([part for part in PARTS if part.service == service])

    def _short(self) -> float:
        return self._random.uniform(*SHORT_S)

    def _short_or_long(self) -> float:
        return LONG_S if self._random.random() < self._long_share else self._short()

    def _seed(self) -> int:
        return self._random.randrange(1000)


def fixed(seed: int) -> Iterator[Faults]:
    """Each kind at least once, some at once; where, and for how long, the seed says. Long is only what has to be."""
    draw = Draw(seed, long_share=0)
    for service in SERVICES:
        yield (draw.killed(draw.replica(service)),)
    yield (draw.killed(RABBITMQ),)
    yield (draw.killed(POSTGRES),)
    yield (draw.ended(),)
    yield (draw.paused(),)
    yield (draw.paused(RABBITMQ, LONG_S),)
    yield (draw.cut(draw.replica("chat_service"), POSTGRES, Way.BOTH),)
    yield (draw.cut(draw.replica("chat_service"), RABBITMQ, Way.OUT),)
    yield (draw.cut(draw.replica("gateway_ws"), RABBITMQ, Way.IN),)
    yield (draw.cut(),)
    yield (draw.queue_deleted(),)
    yield (draw.queue_full(),)
    yield (draw.late_deliveries(),)
    yield (draw.repeated(COMMANDS),)
    yield (draw.repeated(EVENTS),)
    yield (draw.memory_alarm(),)
    yield (draw.disk_full(),)
    yield (draw.wrong_clock(HOUR_S),)
    yield (draw.wrong_clock(-HOUR_S),)
    yield draw.killed(draw.replica("gateway_ws")), draw.late_deliveries()
    yield draw.killed(draw.replica("chat_service")), draw.repeated(COMMANDS)
    yield draw.paused(POSTGRES), draw.killed(draw.replica("gateway_ws"))
