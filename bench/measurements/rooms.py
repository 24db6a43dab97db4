"""One system's rooms: saturated, and at a pace."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.durable import WARM_UP_S, Pace, Room, Saturation, pace, saturate
from bench.markdown import number, spread
from bench.measurement import Tell

TALKERS = 2
WINDOWS, QUICK_WINDOWS = (50, 500), (500,)
SECONDS, QUICK_SECONDS = 3.0, 1.0

NewRoom = Callable[[int, int], AbstractContextManager[Room]]
"""Of so many members, so many of whom talk."""

HEAD = (
    "messages per second",
    "window",
    "deliveries per CPU-second",
    "at half: p50 ms",
    "p99 ms",
    "largest ms",
    "generator's core busy",
    "late ms",
)


@dataclass(frozen=True, slots=True)
class Run:
    """`saturated` with one window each. `half` is the pace of half of the best, `others` are those of other shares."""

    round: int
    system: str
    members: int
    saturated: tuple[Saturation, ...]
    half: Pace
    others: tuple[Pace, ...] = ()

    @property
    def best(self) -> Saturation:
        return max(self.saturated, key=lambda one: one.per_second)

    @property
    def deliveries_per_cpu_second(self) -> float:
        return self.best.per_second * self.members / self.best.servers

    @property
    def paces(self) -> tuple[Pace, ...]:
        return (self.half, *self.others)


def measure_room(
    new_room: NewRoom,
    round: int,
    system: str,
    members: int,
    windows: Sequence[int],
    shares: Sequence[float],
    quick: bool,
    tell: Tell,
) -> Run:
    """Each in a new room. `shares` are those of the other paces, to the best that was saturated."""
    seconds = QUICK_SECONDS if quick else SECONDS
    saturated = []
    for window in windows:
        with new_room(members, TALKERS) as room:
            saturated.append(saturate(room, window, seconds))
    most = max(one.per_second for one in saturated)
    paces = []
    for share in (0.5, *shares):
        with new_room(members, TALKERS) as room:
            paces.append(pace(room, share * most, WARM_UP_S + seconds))
    half, *others = paces
    tell(
        f"round {round + 1}: {system}, room of {members}: {number(most)} messages per second; "
        f"at half of it p50 {number(half.last_delivery.p50)} ms, p99 {number(half.last_delivery.p99)} ms"
    )
    return Run(round, system, members, tuple(saturated), half, tuple(others))


def cells(runs: Sequence[Run]) -> tuple[str, ...]:
    """For `HEAD`, of all rounds of one system and room."""
    return (
        spread([run.best.per_second for run in runs]),
        "/".join(map(str, sorted({run.best.window for run in runs}))),
        spread([run.deliveries_per_cpu_second for run in runs]),
        spread([run.half.last_delivery.p50 for run in runs]),
        spread([run.half.last_delivery.p99 for run in runs]),
        number(max(run.half.last_delivery.largest for run in runs)),
        f"{max(max(run.best.generator, run.half.generator) for run in runs):.0%}",
        number(max(run.half.sent_late for run in runs)),
    )


def windows_of(runs: Sequence[Run]) -> str:
    """Those that were tried."""
    return " and ".join(map(str, sorted({one.window for run in runs for one in run.saturated})))


def busy(runs: Sequence[Run]) -> list[float]:
    saturated = [one.generator for run in runs for one in run.saturated]
    return saturated + [pace.generator for run in runs for pace in run.paces]


def late(runs: Sequence[Run]) -> list[float]:
    return [pace.sent_late for run in runs for pace in run.paces]
