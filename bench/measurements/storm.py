"""P6: everybody comes back at once."""

from collections.abc import Mapping, Sequence

from bench import goals, storm
from bench.goals import Target
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.plots import Plot
from bench.results import Findings
from bench.servers import versions
from bench.storm import Storm

CLIENTS, QUICK_CLIENTS = 5_000, 500
QUICK_USERS = 20


def measure(quick: bool, tell: Tell) -> Findings[Storm]:
    run = storm.measure(QUICK_CLIENTS, QUICK_USERS) if quick else storm.measure(CLIENTS)
    tell(f"{run.clients} clients: all served after {run.last:.1f} s, p99 of others {number(run.meanwhile.p99)} ms")
    return Findings(versions.of_services(), {}, [run])


def measured(findings: Findings[Storm]) -> Mapping[Target, float]:
    (run,) = findings.runs
    return {
        goals.STORM_SERVED: run.last,
        goals.STORM_LOST: 0,  # else it would have been broken off
        goals.STORM_OTHERS: run.meanwhile.p99,
    }


def section(findings: Findings[Storm]) -> str:
    (run,) = findings.runs
    served = table(
        (
            "clients",
            "first served s",
            "half s",
            "all s",
            "sent away",
            "others' p50 ms",
            "p99 ms",
            "calm: p50 ms",
            "p99 ms",
        ),
        [
            (
                f"{run.clients:,}",
                *map(number, (run.first, run.half, run.last)),
                f"{run.refused:,}",
                *map(number, (run.meanwhile.p50, run.meanwhile.p99, run.calm.p50, run.calm.p99)),
            )
        ],
    )
    used = table(
        (*run.servers, "load generator"), [[number(seconds) for seconds in (*run.servers.values(), run.generator)]]
    )
    return f"""\
## Everybody comes back at once (P6)
All connect at the same moment, each with what they have last seen of {run.rooms_each} rooms, and have missed
{run.missed} messages in each. Served is who has been welcomed and has had all of them, once and in order. Sent away is
who was told to come again. The others are two who talk all the time in a room of their own.

{served}
CPU seconds for it:

{used}
The load generator took {run.generator / run.last:.0%} of a core.
"""


def plots(_: Findings[Storm]) -> Sequence[Plot]:
    return ()


STORM = Measurement("storm", Storm, measure, measured, section, plots)
