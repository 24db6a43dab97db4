import pytest

from common.text import clean_name, is_emoji, no_nul


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace\t", "Ada Lovelace"),
        ("Jose\u0301", "Jos\u00e9"),
        ("李小龍", "李小龍"),
        ("عائشة", "عائشة"),
        ("🎈", "🎈"),
    ],
)
def test_a_name_is_kept_in_its_composed_form_without_space_around_it(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


@pytest.mark.parametrize(
    "character",
    ["\x00", "\n", "\x7f", "\u200b", "\u200d", "\u200e", "\u202e", "\u2066", "\u2028", "\ufeff", "\ue000", "\ud800"],
    ids=ascii,
)
def test_a_name_with_something_that_nobody_sees_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        clean_name(f"A{character}da")


@pytest.mark.parametrize("name", ["", "  ", "\u3000"], ids=ascii)
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        clean_name(name)


@pytest.mark.parametrize("text", ["Hello.\n\tBye.", "\u200d", "🎈", " "], ids=ascii)
def test_a_text_is_kept_as_it_was_typed(text: str) -> None:
    assert no_nul(text) == text


@pytest.mark.parametrize("text", ["a\x00b", "\ud83c"], ids=ascii)
def test_a_text_that_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="contains"):
        no_nul(text)


@pytest.mark.parametrize(
    "emoji",
    [
        pytest.param("👍", id="one-code-point"),
        pytest.param("❤\ufe0f", id="variation-selector"),
        pytest.param("👍🏽", id="skin-tone"),
        pytest.param("👩🏽\u200d🚀", id="joined"),
        pytest.param("👨\u200d👩\u200d👧\u200d👦", id="family"),
        pytest.param("🇺🇳", id="flag"),
        pytest.param("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", id="flag-of-tags"),
        pytest.param("1\ufe0f\u20e3", id="keycap"),
        pytest.param(":thumbsup:", id="name"),
        pytest.param("+1", id="short-name"),
        pytest.param("\U0001fbff", id="of-next-year"),
        pytest.param("x" * 64, id="longest"),
    ],
)
def test_an_emoji_of_however_many_code_points_or_its_name_is_one(emoji: str) -> None:
    assert is_emoji(emoji)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "👍 ",
        "\u3000",
        "\u2028",
        "\n",
        "a\tb",
        "\x00",
        "\x7f",
        "\x85",
        "\ud83d",
        "x" * 65,
        "👍" * 65,
    ],
    ids=ascii,
)
def test_what_has_spaces_or_control_characters_or_is_too_long_is_no_emoji(text: str) -> None:
    assert not is_emoji(text)
