import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bloom_service.bloom import EmailFilter


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def of(numbers: range | list[int], capacity: int, error_rate: float) -> EmailFilter:
    emails = EmailFilter(capacity, error_rate)
    for number in numbers:
        emails.add(digest(number))
    return emails


NUMBERS = st.lists(st.integers(0, 500), max_size=200)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 50), st.sampled_from([0.3, 0.01, 0.0001]))
def test_knows_everything_that_was_added_however_full_it_is(
    numbers: list[int], capacity: int, error_rate: float
) -> None:
    emails = of(numbers, capacity, error_rate)

    assert all(digest(number) in emails for number in numbers)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 50))
def test_comes_back_from_its_bits_as_it_was(numbers: list[int], capacity: int) -> None:
    emails = of(numbers, capacity, 0.01)

    restored = EmailFilter.restored(capacity, 0.01, len(emails), emails.bits)

    assert (restored.bits, len(restored), restored.fill) == (emails.bits, len(emails), emails.fill)
    assert restored.estimated_error_rate == emails.estimated_error_rate
    assert all((digest(number) in restored) == (digest(number) in emails) for number in range(1000))
    restored.add(digest(1001))
    assert digest(1001) in restored


def test_is_empty_at_first() -> None:
    emails = EmailFilter(100, 0.01)

    assert digest(1) not in emails
    assert (len(emails), emails.fill, emails.estimated_error_rate, emails.estimated_members) == (0, 0.0, 0.0, 0)


def test_counts_a_digest_that_is_added_again_once() -> None:
    assert len(of([1, 2, 1, 1, 2], 100, 0.001)) == 2


def test_takes_members_beyond_its_capacity_and_says_what_that_costs() -> None:
    emails = of(range(250), 100, 0.001)

    assert all(digest(number) in emails for number in range(250))
    assert emails.size_bytes == EmailFilter(100, 0.001).size_bytes
    assert emails.fill > 1
    assert emails.estimated_error_rate > 0.1


@pytest.mark.parametrize("members", [200, 1000, 2000])
def test_is_wrong_about_strangers_as_often_as_it_says(members: int) -> None:
    emails = of(range(members), 1000, 0.02)

    strangers = range(1_000_000, 1_020_000)
    wrong = sum(digest(number) in emails for number in strangers) / len(strangers)

    assert wrong == pytest.approx(emails.estimated_error_rate, rel=0.25, abs=0.0005)


@pytest.mark.parametrize("members", [100, 1000, 10_000])
def test_knows_how_many_members_it_has_however_full_it_is(members: int) -> None:
    assert of(range(members), 1000, 0.001).estimated_members == pytest.approx(members, rel=0.05)


def test_with_every_bit_set_it_still_has_an_idea_of_how_many_members_it_has() -> None:
    assert of(range(5000), 100, 0.001).estimated_members > 500


@pytest.mark.parametrize("capacity", [10_000, 100_000])
def test_takes_the_space_that_theory_asks_for(capacity: int) -> None:
    assert EmailFilter(capacity, 0.001).size_bytes * 8 / capacity == pytest.approx(14.378, rel=0.001)


def test_is_wrong_no_more_often_than_asked_for_where_hashes_are_the_least_even() -> None:
    emails = of(range(20_000), 20_000, 0.001)

    strangers = range(1_000_000, 1_400_000)

    assert sum(digest(number) in emails for number in strangers) <= 1.1 * 0.001 * len(strangers)


@pytest.mark.parametrize("change", [-1, 1])
def test_refuses_bits_that_do_not_fit_its_parameters(change: int) -> None:
    bits = EmailFilter(100, 0.01).bits
    bits = bits[:change] if change < 0 else bits + b"\0"

    with pytest.raises(ValueError, match="fit"):
        EmailFilter.restored(100, 0.01, 1, bits)
