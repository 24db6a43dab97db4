"""What is and what is not a client's frame."""

import json
from uuid import uuid4

import pytest

from contracts.frames import Delete, Edit, React, Send
from gateway_ws.handlers import BadFrame, parse

COMMAND = {"id": str(uuid4()), "room_id": str(uuid4())}
SEND = {"type": "send", **COMMAND, "text": "Hello"}
EDIT = {"type": "edit", **COMMAND, "message_id": str(uuid4()), "text": "Hello"}
DELETE = {"type": "delete", **COMMAND, "message_id": str(uuid4())}
REACT = {"type": "react", **COMMAND, "message_id": str(uuid4()), "emoji": "👍", "on": True}


def test_a_frame_becomes_what_it_says() -> None:
    send, edit, delete, react = (parse(json.dumps(frame)) for frame in (SEND, EDIT, DELETE, REACT))

    assert isinstance(send, Send)
    assert (send.text, send.reply_to) == ("Hello", None)
    assert isinstance(edit, Edit)
    assert (str(edit.message_id), edit.text) == (EDIT["message_id"], "Hello")
    assert isinstance(delete, Delete)
    assert str(delete.message_id) == DELETE["message_id"]
    assert isinstance(react, React)
    assert (str(react.message_id), react.emoji, react.on) == (REACT["message_id"], "👍", True)


@pytest.mark.parametrize("frame", [SEND, EDIT, DELETE, REACT], ids=lambda frame: frame["type"])
def test_a_field_from_a_later_version_is_passed_over(frame: dict[str, object]) -> None:
    assert parse(json.dumps({**frame, "surprise": 1})) == parse(json.dumps(frame))


@pytest.mark.parametrize(
    ("frame", "change"),
    [
        (SEND, {"text": ""}),
        (SEND, {"text": 5}),
        (SEND, {"text": "\ud800"}),
        (SEND, {"room_id": "nowhere"}),
        (SEND, {"type": "edit"}),
        (SEND, {"type": "forget"}),
        (SEND, {"type": None}),
        (EDIT, {"text": ""}),
        (EDIT, {"text": None}),
        (EDIT, {"text": "\ud800"}),
        (EDIT, {"message_id": "nothing"}),
        (DELETE, {"message_id": None}),
        (DELETE, {"room_id": "nowhere"}),
        (REACT, {"emoji": ""}),
        (REACT, {"emoji": "x" * 65}),
        (REACT, {"emoji": "\ud83d"}),
        (REACT, {"emoji": ["👍"]}),
        (REACT, {"on": None}),
        (REACT, {"message_id": "nothing"}),
    ],
)
def test_a_wrong_frame_is_refused_under_its_id(frame: dict[str, object], change: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as refusal:
        parse(json.dumps({**frame, **change}))

    assert str(refusal.value.id) == COMMAND["id"]
    assert "Hello" not in str(refusal.value)


@pytest.mark.parametrize("frame", [EDIT, DELETE, REACT], ids=lambda frame: frame["type"])
def test_a_frame_that_lacks_a_field_is_refused_under_its_id(frame: dict[str, object]) -> None:
    for name in frame.keys() - {"type", "id"}:
        with pytest.raises(BadFrame, match=name) as refusal:
            parse(json.dumps({field: value for field, value in frame.items() if field != name}))
        assert str(refusal.value.id) == COMMAND["id"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"send"', "[" * 60_000, '{"a":' * 10_000, "NaN"])
def test_what_is_no_object_is_refused_without_an_id(text: str) -> None:
    with pytest.raises(BadFrame) as refusal:
        parse(text)

    assert refusal.value.id is None
