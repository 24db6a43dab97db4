"""Who listens to which room, and what they get: each entry once, in seq order. Synchronous; no I/O; knows no bus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from contracts.messages import EntryKind, RoomEntry

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
    """`last` is the seq of the last entry passed on, None until the first listener's catch-up tells it. `listeners`
    have each had everything up to their position; those `held` back collect what is passed on meanwhile."""

    last: int | None = None
    listeners: dict[Listener, int] = field(default_factory=dict)
    held: dict[Listener, list[Prepared]] = field(default_factory=dict)
    early: dict[int, Prepared] = field(default_factory=dict)


class Hub:
    def __init__(self) -> None:
        self._rooms: dict[UUID, _Room] = {}
        self._rooms_of: dict[Listener, set[UUID]] = {}

    def listen(self, listener: Listener, room_id: UUID) -> None:
        """From now on nothing of the room is missed, but nothing is delivered before `release`."""
        self._rooms.setdefault(room_id, _Room()).held[listener] = []
        self._rooms_of.setdefault(listener, set()).add(room_id)

    def release(self, listener: Listener, room_id: UUID, position: int) -> None:
        """Deliver what was held back after `position`, up to which the listener was served otherwise, and go on."""
        room = self._rooms.get(room_id)
        if room is None or listener not in room.held:
            return
        held = room.held.pop(listener)
        room.listeners[listener] = position
        if room.last is None:
            room.last = position
            room.early = {seq: prepared for seq, prepared in room.early.items() if seq > position}
            self._pass_on_early(room_id, room)
            return
        for prepared in held:
            if listener in room.listeners:
                self._deliver(room_id, room, listener, prepared)

    def leave(self, listener: Listener, room_id: UUID) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            return
        room.listeners.pop(listener, None)
        room.held.pop(listener, None)
        if not room.listeners and not room.held:
            del self._rooms[room_id]
        rooms = self._rooms_of.get(listener, set())
        rooms.discard(room_id)
        if not rooms:
            self._rooms_of.pop(listener, None)

    def leave_all(self, listener: Listener) -> None:
        for room_id in tuple(self._rooms_of.get(listener, ())):
            self.leave(listener, room_id)

    def offer(self, prepared: Prepared) -> bool:
        """Take an entry from wherever it comes, as often as it comes. Says whether the room now has a hole."""
        entry = prepared.entry
        room = self._rooms.get(entry.room_id)
        if room is None:
            return False
        if room.last is None:
            room.early[entry.seq] = prepared
            return False
        if entry.seq > room.last:
            room.early[entry.seq] = prepared
            self._pass_on_early(entry.room_id, room)
        return bool(room.early)

    def knows(self, entry: RoomEntry) -> bool:
        """Whether the entry was offered before. Of a room that nobody listens to, nothing is known."""
        room = self._rooms.get(entry.room_id)
        return room is not None and (entry.seq in room.early or (room.last is not None and entry.seq <= room.last))

    def listening(self, listener: Listener, room_id: UUID) -> bool:
        return room_id in self._rooms_of.get(listener, ())

    def rooms_of(self, listener: Listener) -> frozenset[UUID]:
        return frozenset(self._rooms_of.get(listener, ()))

    def listeners(self, room_id: UUID) -> Iterable[Listener]:
        """Those to whom passing news may go: not the ones held back."""
        room = self._rooms.get(room_id)
        return tuple(room.listeners) if room is not None else ()

    def heads(self) -> Mapping[UUID, int]:
        """The last seq passed on, per room where it is known."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None}

    def holes(self) -> Mapping[UUID, int]:
        """The last seq before the hole, per room that has one."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None and room.early}

    def rooms(self) -> Iterable[UUID]:
        return tuple(self._rooms)

    def _pass_on_early(self, room_id: UUID, room: _Room) -> None:
        while room.last is not None and (prepared := room.early.pop(room.last + 1, None)) is not None:
            room.last += 1
            for held in room.held.values():
                held.append(prepared)
            for listener in tuple(room.listeners):
                self._deliver(room_id, room, listener, prepared)

    def _deliver(self, room_id: UUID, room: _Room, listener: Listener, prepared: Prepared) -> None:
        seq = prepared.entry.seq
        if seq <= room.listeners[listener]:
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
        case EntryKind.MEMBER_LEFT if entry.data.get("user_id") == str(user_id):
            return "left"
        case EntryKind.MEMBER_REMOVED if entry.data.get("user_id") == str(user_id):
            return "removed"
        case EntryKind.ROOM_UPDATED if entry.data.get("deleted"):
            return "room_deleted"
    return None
