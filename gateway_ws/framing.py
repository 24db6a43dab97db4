"""The frame of a room's entry, made once for everybody."""

from contracts.frames import Event
from contracts.messages import RoomEntry
from gateway_ws.protocol import text_frame

_SHARED = set(Event.model_fields) - {"type"}


def event_frame(entry: RoomEntry) -> bytes:
    """That of the `Event` with the entry's values, without a check of each: they have been checked on their way in."""
    return text_frame(b'{"type":"event",' + entry.model_dump_json(include=_SHARED).encode()[1:])
