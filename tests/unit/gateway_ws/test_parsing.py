"""What is and what is not a client's frame."""

import json
from uuid import uuid4

import pytest

from contracts.frames import Send
from gateway_ws.handlers import BadFrame, parse

SEND = {"type": "send", "id": str(uuid4()), "room_id": str(uuid4()), "text": "Hello"}


def test_a_frame_becomes_what_it_says() -> None:
    frame = parse(json.dumps(SEND))

    assert isinstance(frame, Send)
    assert frame.text == "Hello"


def test_a_field_from_a_later_version_is_passed_over() -> None:
    assert parse(json.dumps({**SEND, "surprise": 1})) == parse(json.dumps(SEND))


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": 5},
        {"text": "\ud800"},
        {"room_id": "nowhere"},
        {"type": "edit"},
        {"type": None},
    ],
)
def test_a_wrong_frame_is_refused_under_its_id(change: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as refusal:
        parse(json.dumps({**SEND, **change}))

    assert str(refusal.value.id) == SEND["id"]
    assert "Hello" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"send"', "[" * 60_000, '{"a":' * 10_000, "NaN"])
def test_what_is_no_object_is_refused_without_an_id(text: str) -> None:
    with pytest.raises(BadFrame) as refusal:
        parse(text)

    assert refusal.value.id is None
