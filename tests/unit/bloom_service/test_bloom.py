import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bloom_service.bloom import EmailFilter, Layer


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


NUMBERS = st.lists(st.integers(0, 500), max_size=200)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 50), st.sampled_from([0.3, 0.01, 0.0001]))
def test_knows_everything_that_was_added_however_full_it_is(
    numbers: list[int], capacity: int, error_rate: float
) -> None:
    emails = EmailFilter(capacity, error_rate)
    for number in numbers:
        emails.add(digest(number))

    assert all(digest(number) in emails for number in numbers)


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 50))
def test_comes_back_from_its_layers_as_it_was(numbers: list[int], capacity: int) -> None:
    emails = EmailFilter(capacity, 0.01)
    for number in numbers:
        emails.add(digest(number))

    restored = EmailFilter(capacity, 0.01)
    restored.restore(emails.layers())

    assert restored.layers() == emails.layers()
    assert all((digest(number) in restored) == (digest(number) in emails) for number in range(1000))
    restored.add(digest(1001))
    assert digest(1001) in restored


def test_is_empty_at_first() -> None:
    emails = EmailFilter(100, 0.01)

    assert digest(1) not in emails
    assert (len(emails), emails.size_bytes, emails.fill, emails.estimated_error_rate) == (0, 0, 0.0, 0.0)


def test_counts_a_digest_that_is_added_again_once() -> None:
    emails = EmailFilter(100, 0.001)
    for number in (1, 2, 1, 1, 2):
        emails.add(digest(number))

    assert len(emails) == 2


def test_grows_beyond_its_capacity() -> None:
    emails = EmailFilter(100, 0.001)
    for number in range(250):
        emails.add(digest(number))

    assert len(emails.layers()) == 3
    assert [layer.count for layer in emails.layers()[:2]] == [100, 100]
    assert all(digest(number) in emails for number in range(250))


@pytest.mark.parametrize("members", [200, 1000, 2000])
def test_is_wrong_about_strangers_as_often_as_it_says(members: int) -> None:
    emails = EmailFilter(1000, 0.02)
    for number in range(members):
        emails.add(digest(number))

    strangers = range(1_000_000, 1_020_000)
    wrong = sum(digest(number) in emails for number in strangers) / len(strangers)

    assert emails.estimated_error_rate < 0.02 * 2  # of two full layers
    assert wrong == pytest.approx(emails.estimated_error_rate, rel=0.25, abs=0.0005)


def test_takes_the_space_that_theory_asks_for() -> None:
    emails = EmailFilter(10_000, 0.001)
    emails.add(digest(1))

    assert emails.size_bytes * 8 / 10_000 == pytest.approx(14.4, rel=0.01)


@pytest.mark.parametrize("change", [-1, 1])
def test_refuses_layers_that_do_not_fit_its_parameters(change: int) -> None:
    emails = EmailFilter(100, 0.01)
    emails.add(digest(1))
    (layer,) = emails.layers()
    bits = layer.bits[:change] if change < 0 else layer.bits + b"\0"

    with pytest.raises(ValueError, match="fit"):
        EmailFilter(100, 0.01).restore([Layer(1, bits)])
