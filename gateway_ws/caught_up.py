"""What users have missed, out of one answer to many of them: each entry is framed once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.internal_http import CatchUps, RoomView, UserView
from contracts.messages import RoomEntry
from gateway_ws.framing import event_frame
from gateway_ws.room import Prepared

_PORTION_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Portion:
    """Entries of a room, one after the other, and all their frames: of so many bytes as may be sent at once."""

    entries: Sequence[RoomEntry]
    frames: bytes


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """One consistent view of the log: the user's rooms, and per room that was to be resumed and has any, the entries
    after the resume point up to `head`, or the last of them. `user` is None while chat_service has not heard of them
    yet."""

    epoch: str
    user: UserView | None
    rooms: list[RoomView]
    missed: Mapping[UUID, Sequence[Portion]]


class Answer:
    """To several askers."""

    def __init__(self, answer: CatchUps) -> None:
        self._answer = answer
        self._prepared = {
            room_id: [Prepared(entry, event_frame(entry)) for entry in entries]
            for room_id, entries in answer.entries.items()
            if entries
        }
        self._portions: dict[tuple[UUID, int], Sequence[Portion]] = {}

    def __len__(self) -> int:
        """How many it answers, from the first on."""
        return len(self._answer.askers)

    def to(self, number: int, resume: Mapping[UUID, int], limit: int) -> CaughtUp:
        """What the asker of that number is to be told: of their own rooms only."""
        view = self._answer.askers[number]
        missed = {
            room.id: self._after(room.id, max(resume[room.id], room.head - limit))
            for room in view.rooms
            if room.id in resume and resume[room.id] < room.head
        }
        return CaughtUp(self._answer.epoch, view.user, view.rooms, missed)

    def _after(self, room_id: UUID, seq: int) -> Sequence[Portion]:
        """The same for all who have seen as much."""
        portions = self._portions.get((room_id, seq))
        if portions is None:
            prepared = self._prepared[room_id]
            # logs being dense, a seq is a place
            portions = _portions(prepared[max(0, seq + 1 - prepared[0].entry.seq) :])
            self._portions[room_id, seq] = portions
        return portions


def _portions(prepared: Sequence[Prepared]) -> list[Portion]:
    portions: list[Portion] = []
    start = size = 0
    for end, one in enumerate(prepared, 1):
        size += len(one.frame)
        if size >= _PORTION_BYTES or end == len(prepared):
            portion = prepared[start:end]
            portions.append(Portion([each.entry for each in portion], b"".join(each.frame for each in portion)))
            start, size = end, 0
    return portions
