"""G1: an ack means that the entry is committed. And through all faults (G8) a correct client is told nothing that only
a wrong client, or a bug, explains."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.e2e.faults.facts import Answers, Facts, Key
from tests.e2e.faults.history import PASSING_ERRORS, Ack, Command, Error, Post
from tests.e2e.faults.state import Entry
from tests.e2e.faults.violation import Violation

_BY_NO_OUTAGE = ("bad_frame", "too_long", "internal")


class _Told(NamedTuple):
    """Where an answer says that the command's entry is."""

    record: Ack | Post
    room_id: str
    seq: int | None
    message_id: str | None
    at: str | None


def check(facts: Facts) -> Iterator[Violation]:
    yield from _unexplained(facts)
    for key, command, answers in facts.commands():
        for told in _told(command, answers):
            yield from _committed(facts, key, command, told)
        for entry in facts.entries_of.get(key, ()):
            yield from _as_asked(facts, command, entry)
        yield from _refused_for_good(facts, key, command, answers)
        yield from _unanswered(command, answers)


def _unexplained(facts: Facts) -> Iterator[Violation]:
    for connection in facts.history.connections:
        for record in connection.records:
            if isinstance(record, Error) and record.code in _BY_NO_OUTAGE:
                about = f"connection {connection.number} of {connection.client}, user {connection.user_id}"
                command = facts.history.commands.get((connection.user_id, record.command_id or ""))
                what = f"a client was told {record.code}, which no outage explains"
                yield Violation("G8", "other", what, (about, command, record))


def _told(command: Command, answers: Answers) -> Iterator[_Told]:
    for ack, _ in answers.acks:
        yield _Told(ack, ack.room_id, ack.seq, ack.message_id, ack.at)
    for post in answers.kept_posts:
        yield _Told(post, command.room_id, post.seq, post.message_id, post.at)


def _committed(facts: Facts, key: Key, command: Command, told: _Told) -> Iterator[Violation]:
    entries = facts.entries_of.get(key)
    if not entries:
        there = facts.log.get(told.room_id, {}).get(told.seq or 0)
        yield Violation("G1", "lost", "a command was acked, and has no entry", (command, told.record, there))
        return
    for entry in entries:
        found = (entry.room_id, entry.seq, entry.data.get("message_id"), entry.at)
        if found == (told.room_id, told.seq, told.message_id, told.at):
            return
    yield Violation("G1", "other", "an ack tells otherwise than the log", (command, told.record, *entries))


def _as_asked(facts: Facts, command: Command, entry: Entry) -> Iterator[Violation]:
    wanted = _content(command)
    found = (entry.room_id, entry.kind, *(entry.data.get(name) for name in ("text", "reply_to", "emoji")))
    if command.kind != "send":
        found = (*found, entry.data.get("message_id"))
    if found == wanted:
        return
    if found == (*wanted[:2], None, *wanted[3:]):
        if not facts.is_erased(entry):
            yield Violation("G1", "lost", "a text is gone, and nobody has deleted it", (command, entry))
        return
    yield Violation("G1", "other", "an entry says something else than its command", (command, entry))


def _content(command: Command) -> tuple[str | None, ...]:
    kinds = {
        "send": "message.posted",
        "edit": "message.edited",
        "delete": "message.deleted",
        "react": "reaction.added" if command.on else "reaction.removed",
    }
    content = (command.room_id, kinds[command.kind], command.text, command.reply_to, command.emoji)
    return content if command.kind == "send" else (*content, command.message_id)


def _refused_for_good(facts: Facts, key: Key, command: Command, answers: Answers) -> Iterator[Violation]:
    entries = facts.entries_of.get(key)
    refusals = [error for error, _ in answers.errors if error.code not in PASSING_ERRORS]
    if entries and len(refusals) == len(answers.sent) and not answers.posts:
        yield Violation("G1", "other", "a command was refused, and has an entry", (command, *refusals, *entries))


def _unanswered(command: Command, answers: Answers) -> Iterator[Violation]:
    for sent, connection in answers.sent:
        if connection.quiet:
            here = [one for one, on in answers.sent if on is connection]
            got = [one for one, on in [*answers.acks, *answers.errors] if on is connection]
            if len(got) < len(here):
                yield Violation("G1", "lost", "a command was never answered", (command, sent, *got))
                return
