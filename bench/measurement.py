"""One thing that is measured, from its runs to what is said of them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic

from pydantic import TypeAdapter

from bench.goals import Target
from bench.plots import Plot
from bench.results import Findings, Record, Run

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measurement(Generic[Run]):
    """`run` is the dataclass of a run. All but `measure` are pure functions of the findings: `measured` gives what was
    found for the goals' targets, as far as it was; `section` is Markdown with its heading."""

    name: str
    run: type[Run]
    measure: Callable[[bool, Tell], Findings[Run]]
    """Quickly or not; tells a line per run."""
    measured: Callable[[Findings[Run]], Mapping[Target, float]]
    section: Callable[[Findings[Run]], str]
    plots: Callable[[Findings[Run]], Sequence[Plot]]

    def record(self, quick: bool, tell: Tell) -> Record:
        began, load = datetime.now(UTC), os.getloadavg()[0]
        start = time.monotonic()
        findings = self.measure(quick, tell)
        adapter = TypeAdapter(self.run)
        return Record(
            began=began,
            took_s=time.monotonic() - start,
            quick=quick,
            load=load,
            versions=dict(findings.versions),
            missing=dict(findings.missing),
            runs=[adapter.dump_python(run, mode="json") for run in findings.runs],
        )

    def findings(self, record: Record) -> Findings[Run]:
        adapter = TypeAdapter(self.run)
        return Findings(record.versions, record.missing, [adapter.validate_python(run) for run in record.runs])
