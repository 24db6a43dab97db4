"""What counts as growing without bound."""

from tests.e2e.faults.growth import Gauge


def test_a_gauge_keeps_the_first_the_largest_and_the_last() -> None:
    gauge = Gauge(5)
    for value in (9, 7):
        gauge.take(value)

    assert (gauge.first, gauge.largest, gauge.last) == (5, 9, 7)


def test_what_was_beyond_its_bound_once_has_outgrown_it() -> None:
    gauge = Gauge(100)
    gauge.take(201)
    gauge.take(100)

    assert gauge.has_outgrown(50)


def test_what_has_kept_within_half_of_what_it_was_and_its_allowance_has_not() -> None:
    gauge = Gauge(100)
    gauge.take(200)

    assert not gauge.has_outgrown(50)
