"""P4: the single process on SQLite."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench import goals
from bench.goals import Target
from bench.markdown import table
from bench.measurement import Measurement, Tell
from bench.measurements import generator
from bench.measurements.rooms import HEAD, QUICK_WINDOWS, TALKERS, WINDOWS, Run, busy, cells, late, measure_room
from bench.plots import Plot
from bench.results import Findings
from bench.servers import versions
from bench.servers.parley import single_process

MEMBERS = 10
ROUNDS, QUICK_ROUNDS = 3, 1


def measure(quick: bool, tell: Tell) -> Findings[Run]:
    runs: list[Run] = []
    windows: Sequence[int] = QUICK_WINDOWS if quick else WINDOWS
    with single_process() as parley:
        for round in range(QUICK_ROUNDS if quick else ROUNDS):
            runs.append(measure_room(parley.room, round, "single process", MEMBERS, windows, (), quick, tell))
            windows = (runs[-1].best.window,)
    return Findings(versions.of_single_process(), {}, runs)


def measured(findings: Findings[Run]) -> Mapping[Target, float]:
    return {goals.SINGLE_PROCESS_RATE: median(run.best.per_second for run in findings.runs)}


def section(findings: Findings[Run]) -> str:
    return f"""\
## Single process (P4)
Everything in one process on SQLite; a room of {MEMBERS}, {TALKERS} of whom talk, as above.

{table(HEAD, [cells(findings.runs)])}
{generator.note(busy(findings.runs), late(findings.runs))}"""


def plots(_: Findings[Run]) -> Sequence[Plot]:
    return ()


SINGLE_PROCESS = Measurement("single_process", Run, measure, measured, section, plots)
