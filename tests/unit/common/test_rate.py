"""How fast something may be done."""

import pytest

from common.rate import TokenBucket


def test_a_burst_is_taken_at_once_and_the_next_one_told_how_long_to_wait() -> None:
    bucket = TokenBucket.full(per_second=10, burst=3, now=0.0)

    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(0.1)


def test_what_waits_as_long_as_it_was_told_is_taken() -> None:
    bucket = TokenBucket.full(per_second=10, burst=1, now=0.0)
    bucket.take(0.0)

    wait = bucket.take(0.0)

    assert bucket.take(wait) == 0.0


def test_a_long_silence_allows_no_more_than_a_burst() -> None:
    bucket = TokenBucket.full(per_second=10, burst=2, now=0.0)

    assert [bucket.take(1000.0) > 0 for _ in range(3)] == [False, False, True]


def test_what_cost_more_is_waited_for_by_what_comes_after_it() -> None:
    bucket = TokenBucket.full(per_second=10, burst=5, now=0)

    assert bucket.take(0) == 0
    bucket.charge(7)

    assert bucket.take(0) == pytest.approx(0.4)
    assert bucket.take(0.4) == 0
