"""G3: a room's log is dense, and the same for everybody."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import Event, RoomAdded, digests
from tests.e2e.faults.violation import Column, Violation


def check(facts: Facts) -> Iterator[Violation]:
    yield from _dense(facts)
    yield from _heads(facts)
    yield from _dense_pages(facts)
    yield from _same_for_everybody(facts)
    yield from _heads_told(facts)


def _dense(facts: Facts) -> Iterator[Violation]:
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for entry in facts.final.entries:
        counts[entry.room_id][entry.seq] += 1
    for room_id, seqs in counts.items():
        log = facts.log[room_id]
        for seq in range(1, max(seqs)):
            if seq not in seqs:
                neighbours = (log.get(seq - 1), log.get(seq + 1))
                yield Violation("G3", "lost", f"room {room_id} has no entry {seq}", neighbours)
        for seq, count in seqs.items():
            if count > 1 or seq < 1:
                proof = tuple(entry for entry in facts.final.entries if (entry.room_id, entry.seq) == (room_id, seq))
                yield Violation("G3", "doubled", f"room {room_id} has {count} entries {seq}", proof)


def _heads(facts: Facts) -> Iterator[Violation]:
    for room in facts.final.rooms:
        head = facts.head(room.id)
        if room.head != head:
            proof = (room, facts.log.get(room.id, {}).get(head))
            column: Column = "lost" if room.head > head else "other"
            yield Violation("G3", column, f"a room's head is {room.head}, and its last entry {head}", proof)


def _dense_pages(facts: Facts) -> Iterator[Violation]:
    for page in facts.history.pages:
        for event, following in pairwise(page.events):
            if following.seq != event.seq + 1:
                yield Violation(
                    "G3", "lost", "a page of events has a hole", (page._replace(events=()), event, following)
                )


def _same_for_everybody(facts: Facts) -> Iterator[Violation]:
    expected: dict[tuple[str, int], tuple[int, int]] = {}
    with_text: dict[tuple[str, int], set[int]] = defaultdict(set)
    for event in _heard(facts):
        entry = facts.log.get(event.room_id, {}).get(event.seq)
        if entry is None:
            yield Violation("G3", "lost", "an event was heard that the log does not have", (event,))
            continue
        key = (event.room_id, event.seq)
        if key not in expected:
            expected[key] = digests(entry._asdict())
        digest, digest_without_text = expected[key]
        if event.digest == digest:
            continue
        if facts.is_erased(entry) and event.digest_without_text == digest_without_text:
            with_text[key].add(event.digest)
            continue
        yield Violation("G3", "other", "an event was heard otherwise than the log has it", (event, entry))
    for (room_id, seq), heard in with_text.items():
        if len(heard) > 1:
            proof = (facts.log[room_id][seq], *sorted(heard))
            yield Violation("G3", "other", "the text that is erased now was not the same for everybody", proof)


def _heard(facts: Facts) -> set[Event]:
    """On connections, and in pages."""
    records = (record for connection in facts.history.connections for record in connection.records)
    paged = (event for page in facts.history.pages for event in page.events)
    return {*(record for record in records if isinstance(record, Event)), *paged}


def _heads_told(facts: Facts) -> Iterator[Violation]:
    for connection in facts.history.connections:
        for room_id, head in connection.welcome or ():
            if head < connection.resume.get(room_id, 0):
                what = f"room {room_id} was heard up to {connection.resume[room_id]}, and then told to end at {head}"
                yield Violation("G3", "lost", what, (f"connection {connection.number} of {connection.client}",))
        told = [*(connection.welcome or ()), *(one for one in connection.records if isinstance(one, RoomAdded))]
        for room_id, head in told:
            if head > facts.head(room_id):
                what = f"room {room_id} was told to reach {head}, and its log ends at {facts.head(room_id)}"
                yield Violation("G3", "lost", what, (f"connection {connection.number} of {connection.client}",))
