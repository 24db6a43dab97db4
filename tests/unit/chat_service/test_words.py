import sys
import tracemalloc
import unicodedata
from itertools import groupby
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.words import LONGEST_WORD, SHORTEST_BEGINNING, is_beginning, words

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("foo_bar-baz don't", ["foo", "bar", "baz", "don", "t"]),
        ("C++ 2.0", ["c", "2", "0"]),
        ("a\r\nb\tc\x00d", ["a", "b", "c", "d"]),
        ('\'; DROP TABLE "x" :* NEAR(a\\b', ["drop", "table", "x", "near", "a", "b"]),
        ("", []),
        ("?! … 🎈 ❤️", []),
    ],
)
def test_are_runs_of_letters_and_digits_and_nothing_else(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "Straße"),
        ("crème brûlée", "Creme Brulee"),
        ("José", "Jose\u0301"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Ёлка", "елка"),
        ("\uff46\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff45", "full wide"),
        ("ﬁne x²", "fine x2"),
        ("İstanbul", "istanbul"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),
        ("ｶﾞ", "ガ"),
        ("co\u00adop", "coop"),
    ],
    ids=ascii,
)
def test_are_the_same_in_whatever_case_width_and_accents(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(("one", "other"), [("दिन", "दान"), ("かき", "かぎ"), ("กา", "กี"), ("\u043e", "o")], ids=ascii)
def test_tell_apart_what_are_different_letters(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("ねこ3匹とdog", ["ね", "こ", "3", "匹", "と", "dog"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("กินข้าว", ["กิ", "น", "ข", "า", "ว"]),
        ("서울 한국어", ["서울", "한국어"]),
    ],
    ids=ascii,
)
def test_of_scripts_without_spaces_are_single_letters(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_that_are_overlong_are_cut() -> None:
    assert words("x" * 8000) == ["x" * LONGEST_WORD]
    assert words("é" * 65 + "b a") == ["e" * LONGEST_WORD, "a"]


@pytest.mark.parametrize(
    ("letter", "first", "then", "kept"),
    [
        ("e", "\u0301", "\u0323", ""),
        ("\u0f40", "\u0f73", "\u0f73", ""),
        ("\u0915", "\u094d", "\u093c", "\u094d"),
        ("x", "\uff9e", "\u093c", "\u3099"),
    ],
    ids=["accents", "marks that are two", "signs", "marks in half width"],
)
def test_are_made_without_putting_long_runs_of_marks_in_order(
    letter: str, first: str, then: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[int] = []
    normalize = unicodedata.normalize

    def watched(form: Form, text: str) -> str:
        decomposed = "".join(normalize("NFKD", character) for character in text)
        longest.append(longest_run_of_marks(decomposed))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", watched)

    assert words(letter + first * 4000 + then * 4000) == [letter + kept * 30]
    assert max(longest) <= 30


def test_are_made_without_remembering_what_is_no_word() -> None:
    text = "".join(map(chr, range(0xF0000, 0xFFFFE)))
    tracemalloc.start()
    try:
        words(text)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < len(text)


def longest_run_of_marks(text: str) -> int:
    runs = groupby(text, key=lambda character: unicodedata.combining(character) > 0)
    return max((len(list(run)) for marks, run in runs if marks), default=0)


def test_that_are_single_letters_are_no_beginnings() -> None:
    assert [is_beginning("x" * length) for length in (1, SHORTEST_BEGINNING, LONGEST_WORD)] == [False, True, True]


def test_hold_of_all_unicode_nothing_that_a_query_language_could_take_for_its_own() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]

    found = words(" ".join(characters))

    assert {unicodedata.category(character)[0] for word in found for character in word} <= {"L", "M", "N"}
    assert words(" ".join(found)) == found


@given(TEXTS)
def test_of_words_are_the_words_themselves(text: str) -> None:
    found = words(text)

    assert words(" ".join(found)) == found
    assert all(words(word) == [word] for word in found)


@given(TEXTS, TEXTS)
def test_of_two_texts_are_those_of_each(one: str, other: str) -> None:
    assert words(f"{one}\n{other}") == words(one) + words(other)


@given(st.text(st.characters(max_codepoint=127)))
def test_of_ascii_alone_are_the_same_as_beside_other_letters(text: str) -> None:
    assert [*words(text), "e"] == words(f"{text} é")
