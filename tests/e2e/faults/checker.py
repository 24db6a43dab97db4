"""Judges a run: does what its clients saw, and what the database holds in the end, keep every promise? Pure."""

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import History
from tests.e2e.faults.promises import (
    acknowledged,
    delivery,
    dense,
    derived,
    emails,
    membership,
    once,
    order,
    slow_consumers,
)
from tests.e2e.faults.state import Final
from tests.e2e.faults.violation import Violation

FILTER_HEARS_WITHIN_S = 0.25
"""What the interface names as the 99th percentile."""

_SHOWN = 20

_PROMISES = (acknowledged, once, dense, delivery, membership, order, slow_consumers, emails, derived)


def check(history: History, final: Final, *, filter_grace_s: float = FILTER_HEARS_WITHIN_S) -> list[Violation]:
    """Every breach that can be found. The history is of a run that was finished, the final state of after that.

    `filter_grace_s` is for how long a registered email may still be called available (G9).
    """
    facts = Facts(history, final, filter_grace_s)
    return [violation for promise in _PROMISES for violation in promise.check(facts)]


def report(history: History, violations: list[Violation]) -> str:
    """What to say of a run: its seed, and each breach with the records that prove it."""
    told = "\n".join(map(str, violations[:_SHOWN]))
    return f"seed {history.seed}: {len(violations)} violations\n{told}"
