"""A circuit breaker: stop asking, for a while, somebody who does not answer."""

import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens after `failures` in a row; then lets one attempt through every `open_s` seconds until one succeeds."""

    def __init__(self, *, failures: int = 5, open_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._next_probe_at = 0.0

    def allows(self) -> bool:
        """Whether to try now. While open, a yes is a probe: the next is not before `open_s` later, however it ends."""
        if self._failures < self._limit:
            return True
        if self._clock() < self._next_probe_at:
            return False
        self._next_probe_at = self._clock() + self._open_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._next_probe_at = self._clock() + self._open_s
