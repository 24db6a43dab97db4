"""Whether the filter has heard of everything that has happened."""

import time
from collections.abc import Callable
from datetime import datetime
from math import inf

from common.ids import now

MAX_LAG_S = 3.0


class Freshness:
    """Told of each watermark. Every event before one's `as_of` was handled before it, since a queue keeps its order.

    Both clocks must agree that the last one is recent: this one's own, so that a standing stream is noticed; and the
    one it was stamped by, so that a backlog worked off in a hurry is. A clock that is off thus means behind, which is
    safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._as_of: datetime | None = None
        self._heard_at = float("-inf")

    def heard(self, as_of: datetime) -> None:
        self._as_of = as_of
        self._heard_at = self._clock()

    def lag(self) -> float:
        """Seconds that the filter may be behind; infinite if it has never been up to date."""
        if self._as_of is None:
            return inf
        return max(self._clock() - self._heard_at, abs((self._wall_clock() - self._as_of).total_seconds()))

    def behind(self) -> str | None:
        """A sentence that says how far, or None."""
        lag = self.lag()
        if lag == inf:
            return "the filter has not caught up yet"
        return f"the filter is {lag:.0f} s behind" if lag > MAX_LAG_S else None
