"""Whether two samples are of the same thing."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.float64]

_RESAMPLES = 1_000
_TERMS = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one sample to another.

    `guessed` is how often who is shown one value of each, and takes the larger for the first sample's, is right (the
    area under the ROC curve; 0.5 is as good as a coin), and `p_guessed` how probable one so far from 0.5 would be if
    there were no difference (Mann and Whitney). `p_shape` is the same for the largest distance of the two distribution
    functions (Kolmogorov and Smirnov). `median` is the difference of the medians, in the unit of the samples, and lies
    between `low` and `high` with a probability of 99 % (by the bootstrap).
    """

    guessed: float
    p_guessed: float
    p_shape: float
    median: float
    low: float
    high: float


def difference(one: Sample, other: Sample) -> Difference:
    guessed, p_guessed = _mann_whitney(one, other)
    low, high = _median_interval(one, other)
    median = float(np.median(one) - np.median(other))
    return Difference(guessed, p_guessed, _kolmogorov_smirnov(one, other), median, low, high)


def _mann_whitney(one: Sample, other: Sample) -> tuple[float, float]:
    """By the normal approximation, which does for samples of more than 20."""
    ordered = np.sort(other)
    below, not_above = (np.searchsorted(ordered, one, side) for side in ("left", "right"))
    guessed = float((below + not_above).mean() / (2 * len(other)))
    spread = math.sqrt((len(one) + len(other) + 1) / (12 * len(one) * len(other)))
    return guessed, math.erfc(abs(guessed - 0.5) / spread / math.sqrt(2))


def _kolmogorov_smirnov(one: Sample, other: Sample) -> float:
    """By the limit distribution, with Stephens' correction for finite samples."""
    values = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(sample), values, "right") / len(sample) for sample in (one, other)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    size = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    x = (size + 0.12 + 0.11 / size) * distance
    if x < 0.2:
        return 1.0  # where the series converges no more, and all but this is beyond its fifth digit
    p = 2 * sum((1 if k % 2 else -1) * math.exp(-2 * (k * x) ** 2) for k in range(1, _TERMS))
    return min(1.0, max(0.0, p))


def _median_interval(one: Sample, other: Sample) -> tuple[float, float]:
    chance = np.random.default_rng(1)
    medians: list[Any] = [
        np.median(chance.choice(one, len(one))) - np.median(chance.choice(other, len(other))) for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(medians, (0.5, 99.5))
    return float(low), float(high)
