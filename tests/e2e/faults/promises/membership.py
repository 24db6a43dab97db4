"""G5: nobody receives an event of a room while not a member, and a removed member's last event is the removal."""

from collections import defaultdict
from collections.abc import Iterator

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import Ack, Change, Connection, Event, Gap, News, Page, RoomAdded, RoomRemoved, Sent
from tests.e2e.faults.violation import Column, Violation


def check(facts: Facts) -> Iterator[Violation]:
    for connection in facts.history.connections:
        if connection.welcome is not None:
            yield from _Walk(facts, connection).violations()
    yield from _pages(facts)


class _Walk:
    """`_rooms` are those that one was told to be in, with the head that was told; `_over` those of them whose end was
    heard. `_latest` tells when something happened: events have no time of ours."""

    def __init__(self, facts: Facts, connection: Connection) -> None:
        self._facts = facts
        self._connection = connection
        self._rooms: dict[str, int] = {}
        self._over: set[str] = set()
        self._latest: Sent | Ack | None = None

    def violations(self) -> Iterator[Violation]:
        for room_id, head in self._connection.welcome or ():
            yield from self._told(room_id, head)
        for record in self._connection.records:
            match record:
                case Event():
                    yield from self._event(record)
                case RoomAdded(room_id, head):
                    yield from self._told(room_id, head)
                case RoomRemoved(room_id):
                    if room_id not in self._over and not self._is_answer_to_resume(room_id):
                        yield self._violation("other", "one was out of a room without the event of that", record)
                    self._rooms.pop(room_id, None)
                    self._over.discard(room_id)
                case Sent() | Ack():
                    self._latest = record
                case Gap() | News():
                    if record.room_id not in self._rooms or record.room_id in self._over:
                        yield self._violation("leaked", "news of a room that one is not in", record)
        if self._connection.quiet:
            for room_id in self._over:
                yield self._violation("other", "one heard of one's removal, and was never told to be out", room_id)

    def _told(self, room_id: str, head: int) -> Iterator[Violation]:
        self._rooms[room_id] = head
        if not self._is_member(room_id, head):
            yield self._violation(
                "leaked", "a room was told to somebody who is no member then", RoomAdded(room_id, head)
            )

    def _event(self, event: Event) -> Iterator[Violation]:
        room_id, seq, user_id = event.room_id, event.seq, self._connection.user_id
        entry = self._facts.log.get(room_id, {}).get(seq)
        if room_id not in self._rooms:
            yield self._violation("leaked", "an event of a room that one was not told to be in", event, entry)
        elif room_id in self._over:
            yield self._violation("leaked", "an event after one's removal", event, entry)
        elif not self._is_member(room_id, seq) and not self._is_history(room_id, seq):
            yield self._violation("leaked", "an event of a time when one was no member", event, entry)
        elif entry is not None and seq > self._rooms[room_id] and self._facts.ends_membership(entry, user_id):
            self._over.add(room_id)

    def _is_answer_to_resume(self, room_id: str) -> bool:
        """Who resumes a room that is no longer theirs is told so, after the welcome."""
        return room_id in self._connection.resume and room_id not in self._rooms

    def _is_member(self, room_id: str, seq: int) -> bool:
        return self._facts.is_member(self._connection.user_id, room_id, seq)

    def _is_history(self, room_id: str, seq: int) -> bool:
        """Whether one had joined, or joined again, when this was told: members may see what was before."""
        joins = self._facts.joins(self._connection.user_id, room_id)
        return any(seq < joined <= self._rooms[room_id] for joined in joins)

    def _violation(self, column: Column, what: str, *records: object) -> Violation:
        connection = self._connection
        about = f"connection {connection.number} of {connection.client}, user {connection.user_id}"
        return Violation("G5", column, what, (about, self._latest, *records))


def _pages(facts: Facts) -> Iterator[Violation]:
    """Who is certainly out reads nothing: from an answered end of a membership to the next attempt to begin one."""
    changes: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in facts.history.changes:
        changes[change.room_id, change.user_id].append(change)
    for page in facts.history.pages:
        if page.status != 200:
            continue
        about = changes[page.room_id, page.user_id]
        begins = [change for change in about if change.action in ("join", "add")]
        if not facts.joins(page.user_id, page.room_id):
            yield Violation("G5", "leaked", "a room was read by somebody who never was a member", (page,))
        elif (end := _last_end(about, page)) is not None and not any(
            change.sent_at <= page.answered_at and change.answered_at >= end.sent_at for change in begins
        ):
            yield Violation("G5", "leaked", "a room was read by somebody who was no member any more", (end, page))


def _last_end(changes: list[Change], page: Page) -> Change | None:
    ends = [change for change in changes if change.status == 204 and change.answered_at <= page.sent_at]
    return max(ends, key=lambda change: change.answered_at, default=None)
