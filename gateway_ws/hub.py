"""Who listens to which room, and what they get: each entry once, in seq order. Synchronous; no I/O; knows no bus.

What is passed on of a room until it is flushed goes out together, as the same bytes to everybody: nothing is done, nor
looked up, for each listener but the one call.
"""

from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from contracts.messages import RoomEntry
from gateway_ws.room import ENDINGS, Listener, Prepared, Reason, Room, removal


def _at_once(flush: Callable[[], object]) -> None:
    flush()


class Hub:
    """Keeps up to `max_kept` entries per room. What does not fit counts as not heard, and shows as a hole.

    `flush_soon` is given `flush` whenever something has become outgoing after a flush, to be called after what else is
    at hand.
    """

    def __init__(self, max_kept: int = 1_000, flush_soon: Callable[[Callable[[], int]], None] = _at_once) -> None:
        self._max_kept = max_kept
        self._flush_soon = flush_soon
        self._rooms: dict[UUID, Room] = {}
        self._rooms_of: dict[Listener, list[Room]] = {}
        self._outgoing: list[Room] = []
        self._delivered = 0

    def listen(self, listener: Listener, room_id: UUID) -> None:
        """From now on nothing of the room is missed, but nothing is delivered before `release`."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = Room(room_id)
        room.held.add(listener)
        self._rooms_of.setdefault(listener, []).append(room)

    def release(self, listener: Listener, room_id: UUID, position: int) -> bool:
        """Deliver what was held back after `position`, up to which the listener was served otherwise, and go on.

        Says whether the room now has a hole.
        """
        room = self._rooms.get(room_id)
        if room is None or listener not in room.held:
            return False
        room.head = max(room.head, position)
        if room.last is None:
            room.last = position
        self._delivered += room.flush()
        for seq in range(position + 1, room.last + 1):
            prepared = room.entries.get(seq)
            if prepared is None:
                # passed on before this one listened: to be fetched again, and skipped by those who have had it
                room.go_back(seq - 1)
                break
            listener.deliver(prepared.frame)
            self._delivered += 1
            position = seq
            reason = removal(prepared.entry, listener.user_id)
            if reason is not None:
                self._dismiss(listener, room_id, reason)
                break
        if listener in room.held:
            room.held.remove(listener)
            if position > room.last:
                room.ahead[listener] = position
            else:
                room.live[listener] = None
        room.forget_passed_on()
        self._pass_on(room)
        return room.has_hole

    def leave(self, listener: Listener, room_id: UUID) -> None:
        room = self._rooms.get(room_id)
        if room is None or listener not in room:
            return
        rooms = self._rooms_of[listener]
        rooms.remove(room)
        if not rooms:
            del self._rooms_of[listener]
        self._part(listener, room)

    def leave_all(self, listener: Listener) -> None:
        for room in self._rooms_of.pop(listener, ()):
            self._part(listener, room)

    def offer(self, prepared: Prepared) -> bool:
        """Take an entry from wherever it comes, as often as it comes. Says whether the room now has a hole."""
        room_id, seq = prepared.entry.room_id, prepared.entry.seq
        room = self._rooms.get(room_id)
        if room is None:
            return False
        room.head = max(room.head, seq)
        is_next = room.last is not None and seq == room.last + 1
        is_wanted = room.last is None or seq > room.last or bool(room.held)
        if is_next or (is_wanted and len(room.entries) < self._max_kept):
            room.entries[seq] = prepared
        self._pass_on(room)
        return room.has_hole

    def flush(self) -> int:
        """Hand everybody what is outgoing. Returns how many frames were delivered since the last time."""
        rooms, self._outgoing = self._outgoing, []
        for room in rooms:
            self._delivered += room.flush()
        delivered, self._delivered = self._delivered, 0
        return delivered

    def listening(self, listener: Listener, room_id: UUID) -> bool:
        room = self._rooms.get(room_id)
        return room is not None and listener in room

    def rooms_of(self, listener: Listener) -> frozenset[UUID]:
        return frozenset(room.id for room in self._rooms_of.get(listener, ()))

    def position(self, listener: Listener, room_id: UUID) -> int | None:
        """The seq up to which the listener has had everything; None if it is held back or does not listen."""
        room = self._rooms.get(room_id)
        if room is None:
            return None
        return room.last if listener in room.live else room.ahead.get(listener)

    def head(self, room_id: UUID) -> int:
        """The highest seq that was heard of, all before which exist; 0 if none is known."""
        room = self._rooms.get(room_id)
        return room.head if room is not None else 0

    def listeners(self, room_id: UUID) -> Iterable[Listener]:
        """Those to whom passing news may go: not the ones held back."""
        room = self._rooms.get(room_id)
        return (*room.live, *room.ahead) if room is not None else ()

    def heads(self) -> Mapping[UUID, int]:
        """The last seq passed on, per room where it is known."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None}

    def holes(self) -> Mapping[UUID, int]:
        """The last seq before the hole, per room that has one."""
        return {room_id: room.last for room_id, room in self._rooms.items() if room.last is not None and room.has_hole}

    def rooms(self) -> Iterable[UUID]:
        return tuple(self._rooms)

    def _part(self, listener: Listener, room: Room) -> None:
        if listener in room.live:
            self._delivered += room.flush()
            del room.live[listener]
        room.ahead.pop(listener, None)
        if listener in room.held:
            room.held.remove(listener)
            room.forget_passed_on()
        if room.is_empty:
            del self._rooms[room.id]

    def _pass_on(self, room: Room) -> None:
        while room.last is not None and (prepared := room.entries.get(room.last + 1)) is not None:
            room.last += 1
            if not room.held or len(room.entries) > self._max_kept:
                del room.entries[room.last]
            if room.live:
                self._send_out(room, prepared.frame)
            if prepared.entry.kind in ENDINGS:
                self._end(room, prepared.entry)
            if room.ahead:
                self._rejoin(room)

    def _send_out(self, room: Room, frame: bytes) -> None:
        room.outgoing.append(frame)
        if len(room.outgoing) == 1:
            self._outgoing.append(room)
            if len(self._outgoing) == 1:
                self._flush_soon(self.flush)

    def _end(self, room: Room, entry: RoomEntry) -> None:
        """Dismiss those for whom this entry is the last one."""
        for listener in tuple(room.live):
            reason = removal(entry, listener.user_id)
            if reason is not None:
                self._dismiss(listener, room.id, reason)

    def _dismiss(self, listener: Listener, room_id: UUID, reason: Reason) -> None:
        self.leave(listener, room_id)
        listener.removed(room_id, reason)

    def _rejoin(self, room: Room) -> None:
        reached = room.reached()
        if reached:
            self._delivered += room.flush()
        for listener in reached:
            del room.ahead[listener]
            room.live[listener] = None
