from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.ranking import MAX_SCORE, score

SOUGHT = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=3, unique=True)
WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "c"]), max_size=8)


@pytest.mark.parametrize(
    ("sought", "best_first"),
    [
        ("tea", ["tea", "teapot teapot"]),
        ("tea", ["tea for tea", "a tea"]),
        ("green tea", ["tea is green", "green teapot green teapot"]),
        ("green tea", ["a green tea", "tea tea is not green green"]),
        ("green tea", ["green tea and tea", "green tea"]),
        ("green te", ["tea green te", "green tea"]),
        ("green te", ["my green tea", "green is this tea tea"]),
        ("東 京", ["東 京", "京 東 に 東 に 京"]),
        ("a a", ["a a", "a b a"]),
        ("b a", ["b a", "b ab a"]),
    ],
)
def test_the_better_comes_first(sought: str, best_first: list[str]) -> None:
    scores = [score(sought.split(), found) for found in best_first]

    assert all(better > worse for better, worse in pairwise(scores))


def test_words_that_only_end_or_begin_so_do_not_count_but_for_the_last_ones_beginning() -> None:
    assert score(["art", "tea"], "art tea") == score(["art", "tea"], "smart artist art tea")
    assert score(["tea"], "tea teas") > score(["tea"], "tea")


def test_a_single_letter_is_no_beginning() -> None:
    assert score(["b", "a"], "a b ab") == score(["b", "a"], "a b cb")
    assert score(["a"], "a a") > score(["a"], "a ab ab ab")


class CountingWord(str):
    """Counts how often it is compared."""

    __slots__ = ()
    __hash__ = str.__hash__
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountingWord.compared += 1
        return str.__eq__(self, other)


def test_looks_at_the_message_once_however_many_words_are_sought() -> None:
    sought = [CountingWord(f"w{number}") for number in range(100)]

    score(sought, " ".join(sought * 10))

    assert CountingWord.compared <= 10 * len(sought)


def test_of_the_longest_text_stays_in_its_bounds() -> None:
    assert score(["x"], " ".join(["x"] * 150_000)) == MAX_SCORE


@given(SOUGHT, WORDS)
def test_a_whole_word_beats_any_number_of_beginnings(sought: list[str], others: list[str]) -> None:
    *before, last = sought
    beginnings = [word for word in others if word != last]

    assert score(sought, " ".join([*before, "c", last])) > score(sought, " ".join([*before, *beginnings]))
