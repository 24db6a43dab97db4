"""E1: whether the time of an answer tells that an address is taken."""

from collections.abc import Mapping, Sequence

from bench import enumeration, goals
from bench.enumeration import ASKERS, PERCENTS, QUESTIONS, Enumeration
from bench.goals import Target
from bench.markdown import number, table
from bench.measurement import Measurement, Tell
from bench.plots import Lines, Plot
from bench.results import Findings
from bench.servers import versions

QUICK_QUESTIONS = 300

_SHOWN = (5, 50, 95, 99)


def measure(quick: bool, tell: Tell) -> Findings[Enumeration]:
    runs = enumeration.measure(ASKERS, QUICK_QUESTIONS if quick else QUESTIONS)
    for run in runs:
        tell(f"{run.askers} at once: who guesses by the time is right in {run.difference.guessed:.1%}")
    return Findings(versions.of_services(), {}, runs)


def measured(findings: Findings[Enumeration]) -> Mapping[Target, float]:
    found: dict[Target, float] = {}
    for run in findings.runs:
        found[goals.ENUMERATION_GUESSED[run.askers]] = abs(run.difference.guessed - 0.5)
        found[goals.ENUMERATION_P[run.askers]] = min(run.difference.p_guessed, run.difference.p_shape)
    return found


def section(findings: Findings[Enumeration]) -> str:
    (questions,) = {run.questions for run in findings.runs}
    times = table(
        ("at once", "addresses", "by the filter alone", *(f"p{percent} ms" for percent in _SHOWN)),
        [
            (str(run.askers), which, share, *(number(milliseconds[PERCENTS.index(percent)]) for percent in _SHOWN))
            for run in findings.runs
            for which, share, milliseconds in (("taken", "0%", run.taken), ("free", f"{run.by_filter:.1%}", run.free))
        ],
    )
    differences = table(
        ("at once", "right by guessing", "p (rank)", "p (shape)", "medians differ by ms", "from", "to", "told apart"),
        [
            (
                str(run.askers),
                f"{run.difference.guessed:.1%}",
                *(f"{p:.3f}" for p in (run.difference.p_guessed, run.difference.p_shape)),
                *(f"{value:.3f}" for value in (run.difference.median, run.difference.low, run.difference.high)),
                "no" if _are_alike(run) else "**yes**",
            )
            for run in findings.runs
        ],
    )
    return f"""\
## Whether the time tells that an address is taken (E1)
`POST /api/v1/users/availability` about {questions:,} taken addresses and as many free ones, in random order: of the
first the database is asked as well. Right by guessing is who is shown one answer of each and takes the slower for the
taken address; 50 % is as good as a coin. p is how probable so large a difference would be if there were none, by the
ranks (Mann and Whitney) and by the shape of the distributions (Kolmogorov and Smirnov); the medians' difference is
between the two bounds with a probability of 99 %.

{times}
{differences}"""


def plots(findings: Findings[Enumeration]) -> Sequence[Plot]:
    series = {
        f"{which}, {run.askers} at once": list(zip(PERCENTS, milliseconds, strict=True))
        for run in findings.runs
        for which, milliseconds in (("taken", run.taken), ("free", run.free))
    }
    return (Lines("enumeration", "Time until so many were answered", "% of the answers", "ms", series),)


def _are_alike(run: Enumeration) -> bool:
    p = min(run.difference.p_guessed, run.difference.p_shape)
    return goals.ENUMERATION_P[run.askers].reached(p)


ENUMERATION = Measurement("enumeration", Enumeration, measure, measured, section, plots)
