"""What counts as growing without bound."""

from tests.e2e.faults.growth import Gauge


def test_a_gauge_keeps_the_first_the_largest_and_the_last() -> None:
    gauge = Gauge(5)
    for value in (9, 7):
        gauge.take(value)

    assert (gauge.first, gauge.largest, gauge.last) == (5, 9, 7)


def test_what_has_come_down_again_has_not_outgrown_its_bound() -> None:
    gauge = Gauge(100)
    gauge.take(1000)
    gauge.take(200)

    assert not gauge.has_outgrown(50)


def test_what_is_beyond_its_bound_at_last_has() -> None:
    gauge = Gauge(100)
    gauge.take(201)

    assert gauge.has_outgrown(50)
