"""Text that people type and others will read."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MAX_MESSAGE_CHARACTERS = 8_000
MAX_EMOJI_CHARACTERS = 64

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNWRITTEN = frozenset({"Cc", "Cs"})


def clean_name(name: str) -> str:
    """A name in Unicode NFC without surrounding space.

    Raises ValueError for what can't be seen: control and format characters (zero-width, bidirectional marks),
    unassigned and private code points, and names of which nothing is left.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        raise ValueError("contains an invisible character")
    if not name:
        raise ValueError("is empty")
    return name


def no_nul(text: str) -> str:
    """The text itself. Raises ValueError if it can't be stored: PostgreSQL has no NUL, and UTF-8 no lone surrogates,
    which JSON lets through as escapes."""
    if "\x00" in text:
        raise ValueError("contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half a character") from None
    return text


def is_emoji(text: str) -> bool:
    """Whether a text may be a reaction: an emoji, however many code points it takes, or a short name for one.

    Which code points are emojis changes each year: all are taken but spaces and control characters.
    """
    return 1 <= len(text) <= MAX_EMOJI_CHARACTERS and not any(
        character.isspace() or unicodedata.category(character) in _UNWRITTEN for character in text
    )


_NAME = Field(
    min_length=1,
    description="Taken in Unicode NFC, without surrounding space. Nothing invisible is in it, and something is.",
)
_NO_NUL = Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})

Text = Annotated[str, AfterValidator(no_nul), _NO_NUL]
DisplayName = Annotated[str, StringConstraints(max_length=64), AfterValidator(clean_name), _NAME]
RoomName = Annotated[str, StringConstraints(max_length=100), AfterValidator(clean_name), _NAME]
Topic = Annotated[str, StringConstraints(max_length=500), AfterValidator(clean_name), _NAME]
