from datetime import UTC, datetime, timedelta

import pytest

from bloom_service.freshness import MAX_LAG_S, Freshness


class Clocks:
    """A monotonic and a wall clock that run together until one is set."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)

    def go(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += timedelta(seconds=seconds)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def freshness(clocks: Clocks) -> Freshness:
    return Freshness(lambda: clocks.monotonic, lambda: clocks.wall)


def test_is_behind_until_it_has_heard_a_watermark(freshness: Freshness) -> None:
    assert freshness.behind() == "the filter has not caught up yet"


def test_is_up_to_date_with_a_recent_watermark(freshness: Freshness, clocks: Clocks) -> None:
    freshness.heard(clocks.wall)

    clocks.go(MAX_LAG_S)

    assert freshness.behind() is None
    assert freshness.lag() == MAX_LAG_S


def test_is_behind_when_no_other_watermark_comes(freshness: Freshness, clocks: Clocks) -> None:
    freshness.heard(clocks.wall)

    clocks.go(MAX_LAG_S + 4)

    assert freshness.behind() == "the filter is 7 s behind"


def test_is_behind_while_it_works_off_a_backlog(freshness: Freshness, clocks: Clocks) -> None:
    freshness.heard(clocks.wall - timedelta(seconds=60))

    assert freshness.behind() == "the filter is 60 s behind"


def test_catches_up_again(freshness: Freshness, clocks: Clocks) -> None:
    freshness.heard(clocks.wall - timedelta(seconds=60))
    freshness.heard(clocks.wall)

    assert freshness.behind() is None


@pytest.mark.parametrize("seconds", [-30, 30])
def test_is_behind_when_a_clock_is_off(freshness: Freshness, clocks: Clocks, seconds: int) -> None:
    freshness.heard(clocks.wall)

    clocks.wall += timedelta(seconds=seconds)

    assert freshness.behind() == "the filter is 30 s behind"


def test_is_behind_when_the_wall_clock_stands_still(freshness: Freshness, clocks: Clocks) -> None:
    freshness.heard(clocks.wall)

    clocks.monotonic += 10

    assert freshness.behind() == "the filter is 10 s behind"
