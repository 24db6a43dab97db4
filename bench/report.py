"""`python -m bench.report`: RESULTS.md and the plots, anew from what was measured last. Measures nothing."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.goals import GOALS, Goal, Target
from bench.markdown import number, table
from bench.measurement import Measurement
from bench.measurements import MEASUREMENTS
from bench.plots import Plot, draw, file_name
from bench.results import FOLDER, Findings, Record, Results

REPORT = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    results = Results.kept()
    write(results)
    sys.stdout.write(goals_table(results))


def write(results: Results) -> None:
    REPORT.write_text(text(results))
    for plot in plots(results):
        draw(plot, FOLDER)


def text(results: Results) -> str:
    return "\n".join(
        (
            f"# Results\nOf `make bench`, on {results.machine}. How to read them: [README.md](README.md).\n",
            *_first_look(results),
            f"## Goals\nOf what is to be at most so much, a share below 1 is good.\n\n{goals_table(results)}",
            *_sections(results),
            f"## Versions\n{table(('', ''), _versions(results), texts=2)}",
        )
    )


def goals_table(results: Results) -> str:
    found: dict[Target, float] = {}
    for measurement, _, findings in _measured(results):
        found.update(measurement.measured(findings))
    rows = [row for goal in GOALS for row in _rows(goal, found)]
    return table(("goal", "", "to be", "measured", "share of the goal", "reached"), rows, texts=2)


def plots(results: Results) -> list[Plot]:
    return [plot for measurement, _, findings in _measured(results) for plot in measurement.plots(findings)]


def _measured(results: Results) -> Iterator[tuple[Measurement[Any], Record, Findings[Any]]]:
    for measurement in MEASUREMENTS:
        record = results.records.get(measurement.name)
        if record and not record.failed:
            yield measurement, record, measurement.findings(record)


def _rows(goal: Goal, found: Mapping[Target, float]) -> Iterator[Sequence[str]]:
    """One for the goal, and one for each of its targets."""
    verdicts = [target.reached(found[target]) if target in found else None for target in goal.targets]
    whole = False if False in verdicts else None if None in verdicts else True
    yield f"**{goal.name}**", goal.text, "", "", "", _said(whole)
    for target, verdict in zip(goal.targets, verdicts, strict=True):
        measured = found.get(target)
        yield (
            "",
            target.what,
            f"{target.sign} {target.bound:g} {target.unit}".rstrip(),
            "" if measured is None else f"{_value(measured, target)} {target.unit}".rstrip(),
            "" if measured is None or target.sign == "=" else f"{measured / target.bound:.2f}",
            _said(verdict),
        )


def _said(verdict: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "not measured"}[verdict]


def _value(measured: float, target: Target) -> str:
    return f"{measured:g}" if target.sign == "=" else number(measured)


def _sections(results: Results) -> Iterator[str]:
    for measurement, record, findings in _measured(results):
        drawn = "".join(f"\n![{plot.title}](results/{file_name(plot)})\n" for plot in measurement.plots(findings))
        yield f"{measurement.section(findings)}{drawn}{_missing(findings)}\n{_circumstances(record)}"
    failed = {name: record.failed for name, record in results.records.items() if record.failed}
    if failed:
        yield "## Broken off\n" + "".join(f"- `{name}`: {why}\n" for name, why in failed.items())


def _first_look(results: Results) -> Iterator[str]:
    if quick := [name for name, record in results.records.items() if record.quick]:
        yield f"**A first look only**, small and in one round: {', '.join(quick)}. The goals are for the full.\n"


def _missing(findings: Findings[Any]) -> str:
    return "".join(f"\n{name} is missing: {why_not}\n" for name, why_not in findings.missing.items())


def _circumstances(record: Record) -> str:
    quickly = "quickly " if record.quick else ""
    return (
        f"Measured {quickly}on {record.began:%Y-%m-%d at %H:%M} UTC in {record.took_s:.0f} s; the machine's load "
        f"average was {record.load:.1f} before.\n"
    )


def _versions(results: Results) -> Iterable[tuple[str, str]]:
    """Each once: several measurements are of the same."""
    return dict.fromkeys(item for _, _, findings in _measured(results) for item in findings.versions.items())


if __name__ == "__main__":
    main()
