"""Whether two samples are of the same thing."""

import numpy as np
import pytest

from bench.two_samples import Sample, difference

CHANCE = np.random.default_rng(7)


def skewed(number: int, more: float = 0.0) -> Sample:
    """As times of answers are."""
    return 20 + more + CHANCE.lognormal(0, 1, number)


def test_two_of_the_same_are_told_apart_as_seldom_as_is_said() -> None:
    pairs = [difference(skewed(300), skewed(400)) for _ in range(200)]

    for p in ([pair.p_guessed for pair in pairs], [pair.p_shape for pair in pairs]):
        assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean([pair.guessed for pair in pairs]) == pytest.approx(0.5, abs=0.01)
    assert np.mean([pair.low <= 0 <= pair.high for pair in pairs]) > 0.95


def test_a_small_shift_is_found_and_measured() -> None:
    found = difference(skewed(5000, more=0.2), skewed(5000))

    assert found.guessed > 0.53
    assert found.p_guessed < 0.001
    assert found.p_shape < 0.001
    assert found.low < found.median < found.high
    assert found.low <= 0.2 <= found.high


def test_another_shape_is_found_where_neither_is_larger() -> None:
    found = difference(CHANCE.normal(0, 1, 3000), CHANCE.normal(0, 2, 3000))

    assert found.guessed == pytest.approx(0.5, abs=0.03)
    assert found.p_shape < 0.001


def test_values_that_are_equal_are_nobodys_guess() -> None:
    found = difference(np.full(100, 20.0), np.full(100, 20.0))

    assert (found.guessed, found.p_guessed, found.p_shape, found.median) == (0.5, 1.0, 1.0, 0.0)


def test_agrees_with_what_can_be_counted() -> None:
    """Of the 100 pairs of 6..15 and 1..10 the first is smaller in 10 and equal in 5."""
    one, other = np.arange(6.0, 16.0), np.arange(1.0, 11.0)

    found = difference(one, other)

    assert found.guessed == pytest.approx(1 - 12.5 / 100)
    assert found.p_guessed == pytest.approx(0.0046, abs=0.0002)
    assert found.median == 5.0
