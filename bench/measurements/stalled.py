"""P8: those who read nothing."""

from collections.abc import Mapping, Sequence

from bench import goals, stalled
from bench.goals import Target
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.plots import Plot
from bench.results import Findings
from bench.servers import versions
from bench.stalled import Stalled
from contracts.frames import CloseCode

QUICK_MEMBERS = 20
SECONDS, QUICK_SECONDS = 15.0, 8.0


def measure(quick: bool, tell: Tell) -> Findings[Stalled]:
    run = stalled.measure(QUICK_MEMBERS, seconds=QUICK_SECONDS) if quick else stalled.measure(seconds=SECONDS)
    tell(f"p99 of the others {number(run.meanwhile.delivery.p99)} ms, {number(run.calm.delivery.p99)} ms without")
    return Findings(versions.of_services(), {}, [run])


def measured(findings: Findings[Stalled]) -> Mapping[Target, float]:
    (run,) = findings.runs
    return {
        goals.STALLED_OTHERS: run.meanwhile.delivery.p99 / run.calm.delivery.p99,
        goals.STALLED_MEMORY: _held(run) / _bound(run),
        goals.STALLED_CODE: CloseCode.SLOW_CONSUMER,  # else it would have been broken off, and with a loss too
        goals.STALLED_LOST: 0,
    }


def section(findings: Findings[Stalled]) -> str:
    (run,) = findings.runs
    rows = (
        (name, *map(number, (round.delivery.p50, round.delivery.p99, round.growth / 1024)))
        for name, round in (("all read", run.calm), (f"{run.stalled} don't", run.meanwhile))
    )
    return f"""\
## Who reads nothing (P8)
A room of {run.members} connections, {run.per_second:g} messages a second of {run.characters:,} characters. Latency is
that of those who read; growth is what the gateway held at most beyond what it held at the begin.

{table(("", "p50 ms", "p99 ms", "growth KiB"), rows, texts=1)}
For the {run.stalled} it held {number(_held(run) / 1024)} KiB, of {number(_bound(run) / 1024)} KiB that may wait.
All were closed with {CloseCode.SLOW_CONSUMER:d}, and {run.told} of them could still read that. They came back, and were
given {run.entries:,} entries that they had missed, after gaps that name {run.gap:,} more, which they can ask for.
"""


def plots(_: Findings[Stalled]) -> Sequence[Plot]:
    return ()


def _held(run: Stalled) -> int:
    return max(0, run.meanwhile.growth - run.calm.growth)


def _bound(run: Stalled) -> int:
    return run.stalled * run.max_unsent_bytes


STALLED = Measurement("stalled", Stalled, measure, measured, section, plots)
