"""P2 and P3: durable rooms, of Parley's services and of ejabberd, in turn."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from statistics import median

from bench import goals
from bench.goals import Target
from bench.markdown import spread, table
from bench.measurement import Measurement, Tell
from bench.measurements import generator
from bench.measurements.rooms import (
    HEAD,
    QUICK_WINDOWS,
    TALKERS,
    WINDOWS,
    NewRoom,
    Run,
    busy,
    cells,
    late,
    measure_room,
    windows_of,
)
from bench.peers import ejabberd
from bench.plots import Bars, Lines, Plot
from bench.results import Findings
from bench.servers import versions
from bench.servers.ejabberd import EjabberdRoom, room_of
from bench.servers.parley import services

OWN, PEER = "Parley", ejabberd.NAME
MEMBERS = (10, 50, 200)
CURVE_MEMBERS = 50
CURVE = (0.25, 0.75, 0.9)
"""For latency against load: in rooms of so many, one pace more in each round, of these shares of saturation."""

ROUNDS, QUICK_ROUNDS = len(CURVE), 1


def measure(quick: bool, tell: Tell) -> Findings[Run]:
    why_not = ejabberd.available()
    runs = []
    with ExitStack() as running:
        systems: dict[str, NewRoom] = {OWN: running.enter_context(services()).room}
        if why_not is None:
            systems[PEER] = running.enter_context(_ejabberd())
        better: dict[tuple[str, int], Sequence[int]] = {}
        for round in range(QUICK_ROUNDS if quick else ROUNDS):
            for members in MEMBERS:
                for system, new_room in systems.items():
                    windows = better.get((system, members), QUICK_WINDOWS if quick else WINDOWS)
                    shares = (CURVE[round],) if members == CURVE_MEMBERS and not quick else ()
                    runs.append(measure_room(new_room, round, system, members, windows, shares, quick, tell))
                    better[system, members] = (runs[-1].best.window,)
    found = versions.of_services() | ({} if why_not else {PEER: ejabberd.version()})
    return Findings(found, {PEER: why_not} if why_not else {}, runs)


@contextmanager
def _ejabberd() -> Iterator[NewRoom]:
    with ejabberd.running(max(MEMBERS)) as rooms:
        numbers = count()

        @contextmanager
        def new_room(members: int, talkers: int) -> Iterator[EjabberdRoom]:
            with room_of(rooms, next(numbers), members, talkers) as room:
                yield room

        yield new_room


def measured(findings: Findings[Run]) -> Mapping[Target, float]:
    found: dict[Target, float] = {}
    for members in MEMBERS:
        if own := _of(findings.runs, OWN, members):
            found[goals.DURABLE_P50[members]] = median(run.half.last_delivery.p50 for run in own)
            found[goals.DURABLE_P99[members]] = median(run.half.last_delivery.p99 for run in own)
        if ratios := _ratios(findings.runs, members):
            found[goals.DURABLE_RATE[members]] = median(ratios)
    return found


def section(findings: Findings[Run]) -> str:
    rows = [
        (system, str(members), "" if system == OWN else spread(_ratios(findings.runs, members)), *cells(runs))
        for members in MEMBERS
        for system in (OWN, PEER)
        if (runs := _of(findings.runs, system, members))
    ]
    return f"""\
## Durable rooms (P2, P3)
Of each room's members {TALKERS} talk and the others listen. Saturated: so many messages are always on their way (the
window, tried with {windows_of(findings.runs)}). Then half of that at even times; latency is from when a message was to
be sent until the last member had it. The ratio is Parley's messages per second to theirs in the same round.

{table(("", "members", "Parley's ratio", *HEAD), rows, texts=1)}
{generator.note(busy(findings.runs), late(findings.runs))}"""


def plots(findings: Findings[Run]) -> Sequence[Plot]:
    systems = [system for system in (OWN, PEER) if any(run.system == system for run in findings.runs)]
    curves = {
        f"{system}, {name}": [
            (pace.per_second, getattr(pace.last_delivery, name))
            for run in _of(findings.runs, system, CURVE_MEMBERS)
            for pace in run.paces
        ]
        for system in systems
        for name in ("p50", "p99")
    }
    costs = {
        system: {
            f"{members} members": median(run.deliveries_per_cpu_second for run in runs)
            for members in MEMBERS
            if (runs := _of(findings.runs, system, members))
        }
        for system in systems
    }
    return [
        Lines(
            "durable_latency",
            f"Until the last of {CURVE_MEMBERS} members has it",
            "messages per second",
            "milliseconds",
            curves,
            logarithmic=True,
        ),
        Bars("durable_cpu", "Durable rooms", "deliveries per CPU-second of all servers", costs),
    ]


def _of(runs: Sequence[Run], system: str, members: int) -> list[Run]:
    return [run for run in runs if run.system == system and run.members == members]


def _ratios(runs: Sequence[Run], members: int) -> list[float]:
    """Ours to the peer's, by round."""
    return [
        own.best.per_second / other.best.per_second
        for own in _of(runs, OWN, members)
        for other in _of(runs, PEER, members)
        if own.round == other.round
    ]


DURABLE = Measurement("durable", Run, measure, measured, section, plots)
