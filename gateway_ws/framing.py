"""The frame of a room's entry, made once for everybody."""

from contracts.frames import Event
from contracts.messages import RoomEntry
from gateway_ws.protocol import text_frame


def event_frame(entry: RoomEntry) -> bytes:
    event = Event(
        room_id=entry.room_id,
        seq=entry.seq,
        kind=entry.kind,
        actor_id=entry.actor_id,
        id=entry.id,
        at=entry.at,
        data=entry.data,
    )
    return text_frame(event.model_dump_json().encode())
