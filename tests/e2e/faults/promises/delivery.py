"""G4: on one connection a room's events arrive in seq order, each once, from the resume point on; what is skipped is
named by a gap, which stands where a room's events begin. And all of them arrive: a connection that was open to the end
has heard every room to its head.

What is missing on a connection that had stopped reading is a breach of G7: a slow consumer is served whole, or closed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import Ack, Connection, Event, Gap, RoomAdded, RoomRemoved, Sent, Stalled
from tests.e2e.faults.violation import Column, Violation


@dataclass(slots=True)
class _Room:
    """`position` is the seq up to which all was heard or named by a gap, or known before `start`; `missing` are those
    below it that have yet to come. `head` is what was told when the room was, and where it is replayed to. `added`:
    nothing of it was heard since `room_added`."""

    start: int
    position: int
    head: int
    added: bool = False
    missing: set[int] = field(default_factory=set)
    last: Event | Gap | None = None


def check(facts: Facts) -> Iterator[Violation]:
    for connection in facts.history.connections:
        if connection.welcome is not None:
            yield from _Walk(facts, connection).violations()


class _Walk:
    """`_latest` tells when something happened: events have no time of ours."""

    def __init__(self, facts: Facts, connection: Connection) -> None:
        self._facts = facts
        self._connection = connection
        self._rooms: dict[str, _Room] = {}
        self._stalled = False
        self._latest: Sent | Ack | None = None

    def violations(self) -> Iterator[Violation]:
        for room_id, head in self._connection.welcome or ():
            start = self._connection.resume.get(room_id, head)
            self._rooms[room_id] = _Room(start, start, head)
        for record in self._connection.records:
            match record:
                case Event():
                    yield from self._event(record)
                case Gap():
                    yield from self._gap(record)
                case RoomAdded(room_id, head):
                    if room_id in self._rooms:
                        yield self._violation("other", "a room was added that one was in", record)
                    self._rooms[room_id] = _Room(head, head, head, added=True)
                case RoomRemoved(room_id):
                    if room_id in self._rooms:
                        yield from self._ended(room_id, self._rooms.pop(room_id))
                case Stalled():
                    self._stalled = True
                case Sent() | Ack():
                    self._latest = record
        for room_id, room in self._rooms.items():
            yield from self._ended(room_id, room)
        if self._connection.quiet:
            yield from self._heard_all()

    def _event(self, event: Event) -> Iterator[Violation]:
        room = self._rooms.get(event.room_id)
        if room is None:
            return  # G5
        if room.added:
            yield from self._first(room, event, event.seq)
        if event.seq in room.missing:
            room.missing.remove(event.seq)
            yield self._violation("out of order", "an event came after a later one", room.last, event)
        elif event.seq <= room.position:
            before = "from before the resume point" if event.seq <= room.start else "that had come before"
            yield self._violation("doubled", f"an event came {before}", room.last, event)
        else:
            room.missing.update(range(room.position + 1, event.seq))
            room.position = event.seq
        room.last = event

    def _gap(self, gap: Gap) -> Iterator[Violation]:
        room = self._rooms.get(gap.room_id)
        if room is None:
            return  # G5
        if room.added:
            yield from self._first(room, gap, gap.after + 1)
        if gap.after != room.position or gap.before < gap.after + 2:
            yield self._violation("other", f"a gap does not begin at {room.position}", room.last, gap)
        elif gap.before > room.head + 1:
            yield self._violation("other", f"a gap goes beyond the head, {room.head}", room.last, gap)
        elif room.last is not None:
            yield self._violation("other", "a gap came after the room's events had begun", room.last, gap)
        room.position = max(room.position, gap.before - 1)
        room.last = gap

    def _first(self, room: _Room, record: Event | Gap, seq: int) -> Iterator[Violation]:
        """A room that was added begins with one's joining, or after the head that was told."""
        room.added = False
        if seq > room.position:
            return
        entry = self._facts.log.get(record.room_id, {}).get(seq)
        if seq not in self._facts.joins(self._connection.user_id, record.room_id):
            yield self._violation(
                "other", "an added room begins neither with one's joining nor at its end", record, entry
            )
        room.start = room.position = seq - 1

    def _ended(self, room_id: str, room: _Room) -> Iterator[Violation]:
        if room.missing:
            what = f"of room {room_id} {len(room.missing)} events never came, first {min(room.missing)}"
            yield self._violation("lost", what, room.last)

    def _heard_all(self) -> Iterator[Violation]:
        for member in self._facts.final.members:
            if member.user_id == self._connection.user_id and member.room_id not in self._rooms:
                yield self._violation("lost", "one is a member of a room that one was not told of", member)
        for room_id, room in self._rooms.items():
            head = self._facts.head(room_id)
            if room.position < head:
                what = f"room {room_id} ends at {head}, and was heard up to {room.position}"
                yield self._violation("lost", what, room.last, self._facts.log[room_id].get(room.position + 1))

    def _violation(self, column: Column, what: str, *records: object) -> Violation:
        connection = self._connection
        promise = "G7" if column == "lost" and self._stalled else "G4"
        about = f"connection {connection.number} of {connection.client}, user {connection.user_id}"
        return Violation(promise, column, what, (about, self._latest, *records))
