"""G6: commands that one connection sends to one room take effect in the order sent.

Only of a command's first sending is it known that it made the entry, and only if the command was acked before it was
sent again. One that was answered `unavailable` or the like has no place in the order: it is sent anew, later.
"""

from collections.abc import Iterator

from tests.e2e.faults.facts import Answers, Facts
from tests.e2e.faults.history import PASSING_ERRORS, Connection, Sent
from tests.e2e.faults.state import Entry
from tests.e2e.faults.violation import Violation


def check(facts: Facts) -> Iterator[Violation]:
    for connection in facts.history.connections:
        last: dict[str, Entry] = {}
        for record in connection.records:
            if not isinstance(record, Sent):
                continue
            key = (connection.user_id, record.command_id)
            entries = facts.entries_of.get(key, ())
            if len(entries) != 1 or not _was_made_by(record, connection, facts.answers[key]):
                continue
            (entry,) = entries
            before = last.get(entry.room_id)
            if before is not None and entry.seq < before.seq:
                about = f"connection {connection.number} of {connection.client}"
                what = "a command took effect before one that was sent earlier"
                yield Violation("G6", "out of order", what, (about, before, entry))
            else:
                last[entry.room_id] = entry


def _was_made_by(sent: Sent, connection: Connection, answers: Answers) -> bool:
    if any(error.code in PASSING_ERRORS for error, _ in answers.errors):
        return False
    others = [one.at for one, _ in answers.sent if one is not sent]
    if not others:
        return True
    acked_at = min((ack.received_at for ack, on in answers.acks if on is connection), default=None)
    return acked_at is not None and all(acked_at < at for at in others)
