import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.words import LONGEST_WORD, words

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
