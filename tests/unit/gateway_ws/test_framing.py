"""Frames that are made once for everybody."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from websockets.frames import Frame, Opcode

from contracts.frames import Event
from contracts.messages import RoomEntry
from gateway_ws.framing import event_frame
from gateway_ws.protocol import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_prepared_frame_is_what_the_library_would_have_sent(size: int) -> None:
    payload = b"x" * size

    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_an_entry_is_sent_as_the_event_that_the_contract_has() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    entry = RoomEntry(
        room_id=uuid4(),
        seq=7,
        kind="message.posted",
        actor_id=uuid4(),
        id=uuid4(),
        at=moment,
        data={"text": 'ü "<\\', "reply_to": None},
        command_id=uuid4(),
        origin=7,
    )
    values = {name: getattr(entry, name) for name in type(entry).model_fields if name not in ("command_id", "origin")}

    assert event_frame(entry) == text_frame(Event(**values).model_dump_json().encode())
