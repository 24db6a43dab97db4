"""From when a message was to be sent until somebody had it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]

PERCENTILES = (50.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True, slots=True)
class Latency:
    """In milliseconds."""

    p50: float
    p99: float
    p999: float
    largest: float

    @classmethod
    def of(cls, seconds: Seconds) -> "Latency":
        return cls(*(float(value) for value in 1000 * np.percentile(seconds, PERCENTILES)))


class Listener(Protocol):
    def arrivals(self) -> tuple[npt.NDArray[np.int64], Seconds]:
        """The numbers of the messages that it has had, in order, and when (monotonic)."""


def of_deliveries(listeners: Iterable[Listener], intended: Sequence[float]) -> Seconds:
    """Of each delivery of each message, by the times at which the messages were to be sent."""
    due = np.asarray(intended)
    arrivals = [listener.arrivals() for listener in listeners]
    return np.concatenate([times - due[numbers] for numbers, times in arrivals])


def of_last_deliveries(listeners: Iterable[Listener], intended: Sequence[float]) -> Seconds:
    """Of each message until the last of the listeners had it."""
    last: Seconds = np.zeros(len(intended))
    for numbers, times in (listener.arrivals() for listener in listeners):
        np.maximum.at(last, numbers, times)
    last -= np.asarray(intended)
    return last
