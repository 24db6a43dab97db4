"""Who listens to which room, and what they get: each entry once, in seq order. Synchronous; no I/O; knows no bus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from contracts.entries import MemberLeft, MemberRemoved, RoomUpdated
from contracts.messages import RoomEntry

Reason = Literal["left", "removed", "room_deleted"]


class Listener(Protocol):
    """A connection, as the hub sees it. Must be hashable."""

    @property
    def user_id(self) -> UUID: ...

    def deliver(self, frame: bytes) -> None: ...
    def removed(self, room_id: UUID, reason: Reason) -> None: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry, framed for everybody."""

    entry: RoomEntry
    frame: bytes


@dataclass(slots=True)
class _Room:
    """`last` is the seq of the last entry passed on, None until the first catch-up tells it; `head` is the highest that
    was heard of. Each of the `listeners` has had everything up to its position, which is None while it is held back;
    `held` counts those. `entries` are the ones after `last`, and while anybody is held back also those before it."""

    last: int | None = None
    head: int = 0
    listeners: dict[Listener, int | None] = field(default_factory=dict)
    held: int = 0
    entries: dict[int, Prepared] = field(default_factory=dict)

    @property
    def has_hole(self) -> bool:
        return self.last is not None and self.last < self.head


class Hub:
    """Keeps up to `max_kept` entries per room. What does not fit counts as not heard, and shows as a hole."""

    def __init__(self, max_kept: int = 1_000) -> None:
        self._max_kept = max_kept
        self._rooms: dict[UUID, _Room] = {}
        self._rooms_of: dict[Listener, set[UUID]] = {}

    def listen(self, listener: Listener, room_id: UUID) -> None:
        """From now on nothing of the room is missed, but nothing is delivered before `release`."""
        room = self._rooms.setdefault(room_id, _Room())
        room.listeners[listener] = None
        room.held += 1
        self._rooms_of.setdefault(listener, set()).add(room_id)

    def release(self, listener: Listener, room_id: UUID, position: int) -> bool:
        """Deliver what was held back after `position`, up to which the listener was served otherwise, and go on.

        Says whether the room now has a hole.
        """
        room = self._rooms.get(room_id)
        if room is None or listener not in room.listeners or room.listeners[listener] is not None:
            return False
        room.listeners[listener] = position
        room.held -= 1
        room.head = max(room.head, position)
        if room.last is None:
            room.last = position
        for seq in range(position + 1, room.last + 1):
            if listener not in room.listeners:
                break
            prepared = room.entries.get(seq)
            if prepared is None:
                # passed on before this one listened: to be fetched again, and skipped by those who have had it
                room.last = seq - 1
                break
            self._deliver(room_id, room, listener, prepared)
        self._forget_passed_on(room)
        self._pass_on(room_id, room)
        return room.has_hole

    def leave(self, listener: Listener, room_id: UUID) -> None:
        room = self._rooms.get(room_id)
        if room is None or listener not in room.listeners:
            return
        if room.listeners.pop(listener) is None:
            room.held -= 1
            self._forget_passed_on(room)
        if not room.listeners:
            del self._rooms[room_id]
        rooms = self._rooms_of[listener]
        rooms.discard(room_id)
        if not rooms:
            del self._rooms_of[listener]

    def leave_all(self, listener: Listener) -> None:
        for room_id in tuple(self._rooms_of.get(listener, ())):
            self.leave(listener, room_id)

    def offer(self, prepared: Prepared) -> bool:
        """Take an entry from wherever it comes, as often as it comes. Says whether the room now has a hole."""
        room_id, seq = prepared.entry.room_id, prepared.entry.seq
        room = self._rooms.get(room_id)
        if room is None:
            return False
        room.head = max(room.head, seq)
        is_next = room.last is not None and seq == room.last + 1
        is_wanted = room.last is None or seq > room.last or room.held > 0
        if is_next or (is_wanted and len(room.entries) < self._max_kept):
            room.entries[seq] = prepared
        self._pass_on(room_id, room)
        return room.has_hole

    def listening(self, listener: Listener, room_id: UUID) -> bool:
        return room_id in self._rooms_of.get(listener, ())

    def rooms_of(self, listener: Listener) -> frozenset[UUID]:
        return frozenset(self._rooms_of.get(listener, ()))

    def position(self, listener: Listener, room_id: UUID) -> int | None:
        """The seq up to which the listener has had everything; None if it is held back or does not listen."""
        room = self._rooms.get(room_id)
        return room.listeners.get(listener) if room is not None else None

    def passed_on(self, room_id: UUID) -> int:
        """The seq of the last entry passed on; 0 if none is known."""
        room = self._rooms.get(room_id)
        return room.last or 0 if room is not None else 0

    def listeners(self, room_id: UUID) -> Iterable[Listener]:
        """Those to whom passing news may go: not the ones held back."""
        room = self._rooms.get(room_id)
        if room is None:
            return ()
        return tuple(listener for listener, position in room.listeners.items() if position is not None)

    def heads(self) -> Mapping[UUID, int]:
        """The last seq passed on, per room where it is known."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None}

    def holes(self) -> Mapping[UUID, int]:
        """The last seq before the hole, per room that has one."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None and room.has_hole}

    def rooms(self) -> Iterable[UUID]:
        return tuple(self._rooms)

    def _pass_on(self, room_id: UUID, room: _Room) -> None:
        while room.last is not None and (prepared := room.entries.get(room.last + 1)) is not None:
            room.last += 1
            if room.held == 0 or len(room.entries) > self._max_kept:
                del room.entries[room.last]
            for listener in tuple(room.listeners):
                self._deliver(room_id, room, listener, prepared)

    def _forget_passed_on(self, room: _Room) -> None:
        if room.held == 0 and room.last is not None:
            for seq in [seq for seq in room.entries if seq <= room.last]:
                del room.entries[seq]

    def _deliver(self, room_id: UUID, room: _Room, listener: Listener, prepared: Prepared) -> None:
        seq, position = prepared.entry.seq, room.listeners.get(listener)
        if position is None or seq <= position:
            return
        room.listeners[listener] = seq
        listener.deliver(prepared.frame)
        reason = _removal(prepared.entry, listener.user_id)
        if reason is not None:
            self.leave(listener, room_id)
            listener.removed(room_id, reason)


def _removal(entry: RoomEntry, user_id: UUID) -> Reason | None:
    """Why this entry is the last one that the user may see."""
    match entry.kind:
        case MemberLeft.kind if entry.data.get("user_id") == str(user_id):
            return "left"
        case MemberRemoved.kind if entry.data.get("user_id") == str(user_id):
            return "removed"
        case RoomUpdated.kind if entry.data.get("deleted"):
            return "room_deleted"
    return None
