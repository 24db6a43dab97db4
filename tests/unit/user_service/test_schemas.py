from typing import Any

import pytest
from pydantic import ValidationError

from user_service.schemas import Registration

VALID = {"email": "alice@example.com", "username": "alice", "password": "correct horse"}


def faulty_fields(**changes: Any) -> list[tuple[int | str, ...]]:
    try:
        Registration.model_validate({**VALID, **changes})
    except ValidationError as error:
        return [fault["loc"] for fault in error.errors()]
    return []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a@localhost"),
        ("email", "a@-b.com"),
        ("email", "a b@example.com"),
        ("email", "a@example.com, b@example.com"),
        ("email", "Alice <alice@example.com>"),
        ("email", "al\u200bice@example.com"),
        ("email", "\u202ealice@example.com"),
        ("email", "alice@example.com\x00"),
        ("email", "alice@example.com\r\nBcc: bob@example.com"),
        ("email", "\ud800@example.com"),
        ("email", "a@" + "b." * 130 + "com"),
        ("email", "a" * 100_000 + "@example.com"),
        ("email", None),
        ("email", 1),
        ("username", ""),
        ("username", "ab"),
        ("username", "u" * 33),
        ("username", "-alice"),
        ("username", ".alice"),
        ("username", "_alice"),
        ("username", "al ice"),
        ("username", " alice"),
        ("username", "alice\n"),
        ("username", "alice@example.com"),
        ("username", "ali\u200bce"),
        ("username", "\u202ealice"),
        ("username", "alícia"),
        ("username", "аlice"),  # noqa: RUF001 - a Cyrillic letter
        ("username", None),
        ("password", ""),
        ("password", "1"),
        ("password", "1234567"),
        ("password", "p" * 257),
        ("password", "p" * 10_000),
        ("password", 1234567890),
        ("password", None),
        ("display_name", ""),
        ("display_name", " \u3000"),
        ("display_name", "Al\u200bice"),
        ("display_name", "Al\ufeffice"),
        ("display_name", "\u202eecilA"),
        ("display_name", "Alice\u200f"),
        ("display_name", "Alice\u2066"),
        ("display_name", "Alice\x00"),
        ("display_name", "Alice\nBob"),
        ("display_name", "Alice\ud800"),
        ("display_name", "a" * 65),
        ("display_name", ["Alice"]),
        ("is_admin", True),
    ],
)
def test_a_registration_with_a_bad_field_is_refused_for_that_field(field: str, value: Any) -> None:
    assert faulty_fields(**{field: value}) == [(field,)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "alice+parley@mail.example.co.uk"),
        ("email", "o'alice@example.com"),
        ("email", "alice@bücher.example.com"),
        ("email", "用户@例子.公司"),
        ("email", "alice@parley.test"),
        ("username", "a.b"),
        ("username", "9_-"),
        ("username", "u" * 32),
        ("password", "12345678"),
        ("password", "p" * 256),
        ("password", "\u200b\u202e💬 šest"),
        ("display_name", "王"),
        ("display_name", "עברית"),
        ("display_name", "Ζωή 🎈"),
        ("display_name", "a" * 64),
        ("display_name", None),
    ],
)
def test_a_registration_with_an_unusual_field_is_taken(field: str, value: Any) -> None:
    assert faulty_fields(**{field: value}) == []


def test_a_password_is_not_in_the_text_of_a_registration() -> None:
    assert VALID["password"] not in repr(Registration.model_validate(VALID))
