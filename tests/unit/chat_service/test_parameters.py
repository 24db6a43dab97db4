from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter, ValidationError

from chat_service.ranking import MAX_SCORE
from chat_service.routers import search
from chat_service.routers.dependencies import Cursor, encode_cursor
from chat_service.schemas import RoomUpdate
from chat_service.services.messages import command_id
from chat_service.services.rooms import canonical
from chat_service.services.search import Rank

CURSOR: TypeAdapter[UUID | None] = TypeAdapter(Cursor)
SEARCH_CURSOR: TypeAdapter[str] = TypeAdapter(search.SearchCursor)


def test_a_cursor_leads_back_to_where_it_was_made() -> None:
    last = uuid4()

    assert CURSOR.validate_python(encode_cursor(last)) == last
    assert encode_cursor(None) is None


@pytest.mark.parametrize("cursor", ["", "x", "=", "a" * 21, "a" * 23, "é" * 22, "a" * 10_000, "\x00" * 22])
def test_a_cursor_that_was_not_given_out_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError):
        CURSOR.validate_python(cursor)


@pytest.mark.parametrize("score", [0, 1, MAX_SCORE])
def test_a_cursor_of_a_search_leads_back_to_where_it_was_made(score: int) -> None:
    last = Rank(score, uuid4())

    assert search.decode_cursor(SEARCH_CURSOR.validate_python(search.encode_cursor(last))) == last
    assert search.encode_cursor(None) is None
    assert search.decode_cursor(None) is None


@pytest.mark.parametrize("cursor", ["", "x", "=" * 24, "a" * 23, "a" * 25, "a" * 28, "é" * 24, "+" * 24, "\x00" * 24])
def test_a_cursor_that_no_search_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError):
        SEARCH_CURSOR.validate_python(cursor)


def test_an_idempotency_key_that_is_a_uuid_is_the_command_id() -> None:
    key = uuid4()

    assert command_id(str(key)) == command_id(str(key).upper()) == key


@pytest.mark.parametrize("key", ["k", "my own key", "x" * 255, "00000000-0000-0000-0000-00000000000g"])
def test_any_other_idempotency_key_always_makes_the_same_command_id(key: str) -> None:
    assert command_id(key) == command_id(key)
    assert command_id(key) != command_id(f"{key} ")


def test_an_update_tells_no_topic_from_a_topic_left_out() -> None:
    assert RoomUpdate.model_validate({"topic": None}).model_dump(exclude_unset=True) == {"topic": None}
    assert RoomUpdate.model_validate({"name": "Tea"}).model_dump(exclude_unset=True) == {"name": "Tea"}


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"topic": ""}, {"kind": "public"}])
def test_an_update_of_nothing_or_of_something_else_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RoomUpdate.model_validate(body)


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("É", "e\u0301"), ("ΣΑΣ", "σας"), ("Tea", "tEA")])
def test_names_are_compared_in_whatever_case_and_composition(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)
