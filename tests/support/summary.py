"""What tests have to say at the end of a run: in their reports' properties, which come from worker processes too."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

MEASURED = "measured"
"""The property's value is a line."""
COUNTED = "counted"
"""The property's value is what was counted, and how many; they are summed up."""


def lines(reports: Iterable[object]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for report in reports:
        if not isinstance(report, pytest.TestReport) or report.when != "call":
            continue
        for name, value in report.user_properties:
            if name == MEASURED:
                yield str(value)
            elif name == COUNTED and isinstance(value, list):
                what, count = value
                counts[what] += count
    for what in sorted(counts):
        yield f"{what}: {counts[what]}"
