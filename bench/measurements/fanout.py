"""P1: bare fan-out, ours and the peers', in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import fanout, goals
from bench.fanout import PAYLOAD_BYTES, FanOut, OwnPeer, Work
from bench.goals import Target
from bench.markdown import number, spread, table
from bench.measurement import Measurement, Tell
from bench.measurements import generator
from bench.peers.fanout import PEERS
from bench.plots import Bars, Plot
from bench.results import Findings

OWN = "Parley"
CONNECTIONS = 500
PER_TICK = {1: "one", 10: "ten"}
TICKS = 10
ROUNDS, QUICK_ROUNDS = 5, 1
SECONDS, QUICK_SECONDS = 1.5, 0.5


@dataclass(frozen=True, slots=True)
class Run:
    round: int
    found: FanOut


def measure(quick: bool, tell: Tell) -> Findings[Run]:
    peers = (OwnPeer(OWN), *PEERS)
    missing = {peer.name: why_not for peer in peers if (why_not := peer.available())}
    present = [peer for peer in peers if peer.name not in missing]
    seconds = QUICK_SECONDS if quick else SECONDS
    works = [Work(CONNECTIONS, per_tick, TICKS, seconds) for per_tick in PER_TICK]
    runs = []
    for round in range(QUICK_ROUNDS if quick else ROUNDS):
        for peer in present:
            for found in fanout.measure(peer, works):
                runs.append(Run(round, found))
                tell(
                    f"round {round + 1}: {peer.name}, {PER_TICK[found.work.per_tick]} per tick: "
                    f"{number(found.per_cpu_second)} deliveries per CPU-second, p99 {number(found.latency.p99)} ms"
                )
    return Findings({peer.name: peer.version() for peer in present}, missing, runs)


def measured(findings: Findings[Run]) -> Mapping[Target, float]:
    return {
        target: median(found)
        for (per_tick, peer), target in goals.FANOUT.items()
        if (found := _ratios(findings.runs, per_tick, peer))
    }


def section(findings: Findings[Run]) -> str:
    tables = "\n".join(f"{said.capitalize()} per tick:\n\n{_table(findings, n)}" for n, said in PER_TICK.items())
    runs = [run.found for run in findings.runs]
    work = runs[0].work
    return f"""\
## Bare fan-out (P1)
{work.connections} connections, {PAYLOAD_BYTES} bytes a message, {work.ticks} ticks a second; each server is one process
on a core of its own. A ratio is Parley's deliveries per CPU-second to theirs in the same round. Latency is from when a
message was to be sent until somebody had it.

{tables}
{generator.note([run.generator_busy for run in runs], [run.sent_late for run in runs])}"""


def plots(findings: Findings[Run]) -> Sequence[Plot]:
    rates = {
        f"{said} per tick": {
            peer: median(run.found.per_cpu_second for run in runs)
            for peer in _peers(findings.runs)
            if (runs := _of(findings.runs, per_tick, peer))
        }
        for per_tick, said in PER_TICK.items()
    }
    connections = findings.runs[0].found.work.connections
    return [Bars("fanout", f"Fan-out to {connections} connections", "deliveries per CPU-second", rates)]


def _table(findings: Findings[Run], per_tick: int) -> str:
    head = ("", "deliveries per CPU-second", "Parley's ratio", "p50 ms", "p99 ms", "generator's core busy", "late ms")
    return table(
        head,
        (
            (
                peer,
                spread([run.found.per_cpu_second for run in runs]),
                "" if peer == OWN else spread(_ratios(findings.runs, per_tick, peer)),
                spread([run.found.latency.p50 for run in runs]),
                spread([run.found.latency.p99 for run in runs]),
                f"{max(run.found.generator_busy for run in runs):.0%}",
                number(max(run.found.sent_late for run in runs)),
            )
            for peer in _peers(findings.runs)
            if (runs := _of(findings.runs, per_tick, peer))
        ),
        texts=1,
    )


def _ratios(runs: Sequence[Run], per_tick: int, peer: str) -> list[float]:
    """Ours to the peer's, by round."""
    ours, theirs = _of(runs, per_tick, OWN), _of(runs, per_tick, peer)
    return [
        own.found.per_cpu_second / other.found.per_cpu_second
        for own in ours
        for other in theirs
        if own.round == other.round
    ]


def _of(runs: Sequence[Run], per_tick: int, peer: str) -> list[Run]:
    return [run for run in runs if run.found.peer == peer and run.found.work.per_tick == per_tick]


def _peers(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.found.peer for run in runs))


FANOUT = Measurement("fanout", Run, measure, measured, section, plots)
