"""P7: what a message costs as what there is grows."""

from collections.abc import Mapping, Sequence

from bench import goals, growth
from bench.goals import Target
from bench.growth import Cost, Growth
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.plots import Plot
from bench.results import Findings
from bench.servers import versions

ROOMS, QUICK_ROOMS = (1, 10_000), (1, 100)
HISTORY, QUICK_HISTORY = (0, 1_000_000), (0, 10_000)
MEMBERS, QUICK_MEMBERS = (2, 5_000), (2, 200)
SECONDS, QUICK_SECONDS = 8.0, 1.0

_TARGETS = {"rooms": goals.GROWTH_ROOMS, "history": goals.GROWTH_HISTORY, "members": goals.GROWTH_MEMBERS}


def measure(quick: bool, tell: Tell) -> Findings[Growth]:
    sizes = (QUICK_ROOMS, QUICK_HISTORY, QUICK_MEMBERS) if quick else (ROOMS, HISTORY, MEMBERS)
    runs = growth.measure(*sizes, QUICK_SECONDS if quick else SECONDS)
    for run in runs:
        costs = ", ".join(f"{number(cost.per_delivery)} µs at {cost.size:,}" for cost in run.costs)
        tell(f"{run.of}: {costs} per delivery")
    return Findings(versions.of_services(), {}, runs)


def measured(findings: Findings[Growth]) -> Mapping[Target, float]:
    return {_TARGETS[run.of]: _most(run.costs) for run in findings.runs}


def section(findings: Findings[Growth]) -> str:
    tables = "\n".join(
        table((run.of, "deliveries of each", "µs per message", "µs per delivery", "CPU idle"), map(_cells, run.costs))
        for run in findings.runs
    )
    return f"""\
## What grows (P7)
Microseconds of CPU of all servers, beyond what the same time costs when nobody says anything. In turn there are more
members who are connected, more rooms in which one user talks, and more messages that a room has had.

{tables}"""


def plots(_: Findings[Growth]) -> Sequence[Plot]:
    return ()


def _most(costs: Sequence[Cost]) -> float:
    """What a delivery costs at most to what it does at the smallest size."""
    smallest, *larger = (cost.per_delivery for cost in costs)
    return max(larger) / smallest


def _cells(cost: Cost) -> Sequence[str]:
    return (
        f"{cost.size:,}",
        f"{cost.deliveries:,}",
        number(cost.per_message),
        number(cost.per_delivery),
        f"{cost.idle:.1%}",
    )


GROWTH = Measurement("growth", Growth, measure, measured, section, plots)
