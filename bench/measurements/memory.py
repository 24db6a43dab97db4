"""P5: what the gateway holds for idle connections."""

from collections.abc import Mapping, Sequence

from bench import goals, memory
from bench.goals import Target
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.memory import IdleMemory
from bench.plots import Lines, Plot
from bench.results import Findings
from bench.servers import versions

CONNECTIONS, QUICK_CONNECTIONS = (1_000, 3_000, 10_000), (250, 1_000)
QUICK_USERS = 20

_KIB, _MIB = 2**10, 2**20


def measure(quick: bool, tell: Tell) -> Findings[IdleMemory]:
    run = memory.measure(QUICK_CONNECTIONS, QUICK_USERS) if quick else memory.measure(CONNECTIONS)
    for level in run.levels:
        tell(f"{level.connections} connections: {number(level.per_connection / _KIB)} KiB each")
    return Findings(versions.of_services(), {}, [run])


def measured(findings: Findings[IdleMemory]) -> Mapping[Target, float]:
    (run,) = findings.runs
    return {goals.MEMORY: run.levels[-1].per_connection / _KIB}


def section(findings: Findings[IdleMemory]) -> str:
    (run,) = findings.runs
    head = ("connections", "MiB", "KiB per connection")
    rows = (
        (f"{level.connections:,}", number(level.gateway / _MIB), number(level.per_connection / _KIB))
        for level in run.levels
    )
    return f"""\
## Idle connections (P5)
What the gateway holds of its own memory for those who are in and say nothing: {run.users} users, with many connections
and in {run.rooms_each} rooms each. It holds {number(run.nobody / _MIB)} MiB with nobody connected, which is not in the
table.

{table(head, rows)}"""


def plots(findings: Findings[IdleMemory]) -> Sequence[Plot]:
    (run,) = findings.runs
    levels = [(level.connections, level.gateway / _MIB) for level in run.levels]
    return [Lines("memory", "Memory of the gateway", "idle connections", "MiB for them", {"Parley": levels})]


MEMORY = Measurement("memory", IdleMemory, measure, measured, section, plots)
