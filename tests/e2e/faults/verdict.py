"""What is found of a run, and told at its end."""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.faults.checker import check
from tests.e2e.faults.growth import Growth
from tests.e2e.faults.history import History
from tests.e2e.faults.judgement import FILTER_GRACE_S
from tests.e2e.faults.state import Final
from tests.e2e.faults.storage import store
from tests.e2e.faults.table import Row, Table
from tests.e2e.faults.violation import Violation

WHOLE_RUN = "over the whole run"
_SHOWN = 10


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Verdict:
    """The table, and a sentence for each thing that fails the run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.table = Table()
        self.growth: Growth | None = None
        self.failures: list[str] = []
        self._violations: list[Violation] = []
        self._judged: list[tuple[str, History, Final]] = []
        self._begun: list[tuple[float, str]] = []

    def begin(self, fault: str) -> None:
        """From now on what goes wrong is counted in this row."""
        self._begun.append((time.monotonic(), fault))

    def fail(self, sentence: str) -> None:
        self.failures.append(sentence)

    def judge(self, name: str, history: History, final: Final) -> None:
        """What is broken is counted."""
        violations = check(history, final, filter_grace_s=FILTER_GRACE_S)
        for violation in violations:
            self.table.add(Row(self._row_of(violation), violations=Counter({violation.column: 1})))
        if violations:
            self.fail(f"{len(violations)} times a promise was broken at the {name}")
        self._violations += violations
        self._judged.append((name, history, final))

    def cannot_judge(self, name: str, history: History, why: Exception) -> None:
        """Without the final state, for which the history may be judged another time."""
        self.fail(f"not judged: {type(why).__name__}: {why}")
        self._judged.append((name, history, Final()))

    def tell(self) -> None:
        say(f"\n{self.table}\n")
        if self.growth is not None:
            say(f"{self.growth}\n")
        for violation in self._violations[:_SHOWN]:
            say(f"{violation}\n")
        for sentence in self.failures:
            say(f"FAILED: {sentence}")
        if self.failures:
            self._keep()
        say(f"seed {self.seed}: {'every promise kept' if self._judged and not self.failures else 'failed'}")

    def _keep(self) -> None:
        for name, history, final in self._judged:
            prefix = f"parley-{name.replace(' ', '-')}-{self.seed}-"
            with tempfile.NamedTemporaryFile(prefix=prefix, suffix=".jsonl", delete=False) as file:
                path = Path(file.name)
            store(path, history, final)
            say(f"the history at the {name} is kept in {path}")

    def _row_of(self, violation: Violation) -> str:
        """The faults that came last before the last thing that proves it."""
        moments = [moment for record in violation.proof for moment in _moments(record)]
        before = [fault for since, fault in self._begun if moments and since <= max(moments)]
        return before[-1] if before else WHOLE_RUN


def _moments(record: object) -> Iterator[float]:
    """By our own clock."""
    for name in ("at", "sent_at", "received_at"):
        if isinstance(moment := getattr(record, name, None), float):
            yield moment
