from messaging.bus import RetryPolicy


def test_the_delay_doubles_up_to_its_bound() -> None:
    policy = RetryPolicy(first_delay=0.1, max_delay=1.0)

    assert [policy.delay(attempt) for attempt in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_delay_of_a_very_late_attempt_is_a_number() -> None:
    assert RetryPolicy(max_delay=5.0).delay(1_000_000) == 5.0
