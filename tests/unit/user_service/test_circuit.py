import pytest

from user_service.services.circuit import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=5, open_s=2.0, clock=clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        assert breaker.allows()
        breaker.failed()


def test_stays_closed_while_failures_are_fewer_than_its_limit(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)

    assert breaker.allows()


def test_counts_only_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    breaker.succeeded()
    fail(breaker, 4)

    assert breaker.allows()


def test_opens_at_its_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 5)

    assert not breaker.allows()
    clock.now += 1.9
    assert not breaker.allows()


def test_lets_one_probe_through_when_its_time_is_over(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 2.0

    assert breaker.allows()
    assert not breaker.allows()


def test_closes_after_a_probe_that_succeeds(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 2.0
    breaker.allows()
    breaker.succeeded()

    fail(breaker, 4)
    assert breaker.allows()


def test_stays_open_after_a_probe_that_fails(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 2.0
    fail(breaker, 1)

    assert not breaker.allows()
    clock.now += 2.0
    assert breaker.allows()


def test_probes_again_after_a_probe_of_which_nothing_was_heard(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 2.0
    breaker.allows()

    clock.now += 2.0
    assert breaker.allows()
