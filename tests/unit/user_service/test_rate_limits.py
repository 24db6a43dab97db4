"""How often one may ask, by address, network and name."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from common.errors import RateLimited
from tests.support.clock import Clock
from user_service.services.rate_limits import NETWORK_FACTOR, Limit, RateLimits, address, network

HOUR = 3600


def new_limits(clock: Clock | None = None, **rates: int) -> RateLimits:
    many = dict.fromkeys(("availability_checks", "registrations", "logins", "failed_logins"), 1_000_000)
    return RateLimits(**(many | rates), clock=clock or Clock())


def allowed(ask: Callable[..., None], *arguments: Any) -> bool:
    try:
        ask(*arguments)
    except RateLimited:
        return False
    return True


def refused(operation: str, by: str) -> float:
    return REGISTRY.get_sample_value("parley_rate_limited_total", {"operation": operation, "by": by}) or 0.0


class TestOneAddress:
    @pytest.mark.parametrize(
        ("rate", "method"), [("availability_checks", "check_availability"), ("registrations", "register")]
    )
    def test_may_so_many_at_once_and_is_told_when_the_next(self, rate: str, method: str) -> None:
        clock = Clock()
        ask = getattr(new_limits(clock, **{rate: 225}), method)

        assert [allowed(ask, "192.0.2.1") for _ in range(226)] == [True] * 225 + [False]
        clock.now += 6
        with pytest.raises(RateLimited) as told:
            ask("192.0.2.1")
        assert told.value.headers == {"Retry-After": "10"}
        clock.now += 10
        assert [allowed(ask, "192.0.2.1") for _ in range(2)] == [True, False]

    def test_is_told_of_a_whole_second_at_least(self) -> None:
        limits = new_limits(registrations=HOUR * 10)
        while allowed(limits.register, "192.0.2.1"):
            pass

        with pytest.raises(RateLimited) as told:
            limits.register("192.0.2.1")

        assert told.value.headers == {"Retry-After": "1"}

    def test_that_asks_too_often_costs_its_neighbours_nothing(self) -> None:
        limits = new_limits(registrations=2)

        for _ in range(100):
            allowed(limits.register, "192.0.2.1")

        assert allowed(limits.register, "192.0.2.2")

    def test_may_log_in_only_so_often_whatever_the_names(self) -> None:
        limits = new_limits(logins=3)

        assert [allowed(limits.log_in, "192.0.2.1", f"name{number}") for number in range(4)] == [True] * 3 + [False]


def test_a_network_may_a_few_times_what_one_address_may() -> None:
    limits = new_limits(registrations=2)
    before = refused("registration", "network")

    allowances = [allowed(limits.register, f"192.0.2.{number}") for number in range(1, 20) for _ in range(2)]

    assert allowances == [True] * 2 * NETWORK_FACTOR + [False] * (38 - 2 * NETWORK_FACTOR)
    assert allowed(limits.register, "198.51.100.1")
    assert refused("registration", "network") == before + 38 - 2 * NETWORK_FACTOR


class TestAName:
    def test_is_tried_from_one_network_only_so_often(self) -> None:
        limits = new_limits(failed_logins=3)

        assert [allowed(limits.log_in, "192.0.2.1", "alice") for _ in range(4)] == [True] * 3 + [False]
        assert not allowed(limits.log_in, "192.0.2.2", "alice")

        assert allowed(limits.log_in, "192.0.2.1", "bob")

    def test_is_still_tried_from_elsewhere_so_that_nobody_locks_its_owner_out(self) -> None:
        limits = new_limits(failed_logins=3)
        while allowed(limits.log_in, "192.0.2.1", "alice"):
            pass

        assert allowed(limits.log_in, "198.51.100.1", "alice")

    def test_is_tried_from_all_networks_together_only_so_often(self) -> None:
        limits = new_limits(failed_logins=1)

        tried = [allowed(limits.log_in, f"198.51.{number}.1", "alice") for number in range(10)]

        assert tried == [True] * NETWORK_FACTOR + [False] * (10 - NETWORK_FACTOR)

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("alice", "ALICE"),
            ("alice@example.com", "ALICE@EXAMPLE.COM"),
            ("alice@b\u00fccher.example", "alice@xn--bcher-kva.example"),
            ("alice@example.com", "alice@\uff45xample.com"),
            ("\ud800", "\ud800"),
            ("n" * 100_000, "n" * 100_000),
        ],
    )
    def test_is_the_same_however_it_is_written(self, name: str, other: str) -> None:
        limits = new_limits(failed_logins=1)

        limits.log_in("192.0.2.1", name)

        assert not allowed(limits.log_in, "192.0.2.1", other)

    def test_whose_password_was_right_was_not_guessed_at(self) -> None:
        limits = new_limits(failed_logins=2)

        for _ in range(100):
            limits.log_in("192.0.2.1", "alice")
            limits.logged_in("192.0.2.1", "Alice")


@pytest.mark.parametrize(
    ("one", "other", "same_address", "same_network"),
    [
        ("192.0.2.1", "192.0.2.1", True, True),
        ("192.0.2.1", "192.0.2.255", False, True),
        ("192.0.2.1", "192.0.3.1", False, False),
        ("192.0.2.1", "::ffff:192.0.2.1", True, True),
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::1", True, True),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", False, True),
        ("2001:db8:1::1", "2001:db8:2::1", False, False),
        ("fe80::1%eth0", "fe80::1", True, True),
        ("unknown", "unknown", True, True),
        ("unknown", "", False, False),
    ],
)
def test_addresses_and_networks_are_told_apart(one: str, other: str, same_address: bool, same_network: bool) -> None:
    assert (address(one) == address(other)) == same_address
    assert (network(one) == network(other)) == same_network


def test_who_has_not_asked_for_long_is_forgotten_and_nobody_else() -> None:
    clock = Clock()
    limit = Limit("registration", "address", 1, clock)
    for number in range(10 * HOUR):
        limit.take(str(number))
        clock.now += 1

    assert HOUR <= len(limit) <= 2 * HOUR
    assert [allowed(limit.take, str(number)) for number in (9 * HOUR + 1, 10 * HOUR - 1)] == [False, False]
