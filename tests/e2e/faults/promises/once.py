"""G2: a command takes effect at most once, and every answer to it is the first one."""

from collections import Counter
from collections.abc import Iterator

from tests.e2e.faults.facts import Answers, Facts, Key
from tests.e2e.faults.history import Ack, Command, Post
from tests.e2e.faults.violation import Violation

_OF_COMMANDS = ("message.posted", "message.edited", "message.deleted", "reaction.added", "reaction.removed")


def check(facts: Facts) -> Iterator[Violation]:
    for key, command, answers in facts.commands():
        entries = facts.entries_of.get(key, [])
        if len(entries) > 1:
            yield Violation("G2", "doubled", "a command has taken effect more than once", (command, *entries))
        yield from _same_answers(command, answers)
        yield from _known_repeats(command, answers)
        yield from _answered_once(command, answers)
    yield from _asked_for(facts)
    yield from _said_once(facts)


def _same_answers(command: Command, answers: Answers) -> Iterator[Violation]:
    told: dict[tuple[object, ...], Ack | Post] = {}
    for ack, _ in answers.acks:
        told.setdefault((ack.room_id, ack.seq, ack.message_id, ack.at), ack)
    for post in answers.kept_posts:
        told.setdefault((command.room_id, post.seq, post.message_id, post.at), post)
    if len({values[:2] for values in told}) > 1:
        yield Violation("G2", "doubled", "acks of one command name different entries", (command, *told.values()))
    elif len(told) > 1:
        yield Violation("G2", "other", "acks of one command differ", (command, *told.values()))


def _known_repeats(command: Command, answers: Answers) -> Iterator[Violation]:
    """What was sent when the first ack was there is a repeat, and answered as one."""
    firsts: list[tuple[float, Ack | Post]] = [(ack.received_at, ack) for ack, _ in answers.acks]
    firsts += [(post.answered_at, post) for post in answers.kept_posts]
    if not firsts:
        return
    known_at, first = min(firsts, key=lambda one: one[0])
    earliest: dict[int, float] = {}
    for sent, connection in answers.sent:
        earliest.setdefault(connection.number, sent.at)
    for ack, connection in answers.acks:
        if not ack.duplicate and earliest.get(connection.number, 0) > known_at:
            yield Violation("G2", "other", "a repeat was acked as if it were none", (command, first, ack))
    for post in answers.kept_posts:
        if post.status == 201 and post.sent_at > known_at:
            yield Violation("G2", "other", "a repeat was answered 201", (command, first, post))


def _answered_once(command: Command, answers: Answers) -> Iterator[Violation]:
    sent = Counter(connection.number for _, connection in answers.sent)
    got = Counter(connection.number for _, connection in [*answers.acks, *answers.errors])
    if excess := got - sent:
        records = [record for record, connection in [*answers.acks, *answers.errors] if connection.number in excess]
        yield Violation("G2", "doubled", "a command was answered more often than it was sent", (command, *records))


def _asked_for(facts: Facts) -> Iterator[Violation]:
    for entry in facts.final.entries:
        key: Key = (entry.actor_id, entry.command_id or "")
        if entry.kind in _OF_COMMANDS and key not in facts.history.commands:
            yield Violation("G2", "other", "an entry that no command has asked for", (entry,))


def _said_once(facts: Facts) -> Iterator[Violation]:
    """A workload says nothing twice, so that a text is known wherever it turns up."""
    meant = Counter(
        (command.user_id, command.text) for command in facts.history.commands.values() if command.kind == "send"
    )
    said = Counter(
        (entry.actor_id, entry.data["text"]) for entry in facts.final.entries if entry.kind == "message.posted"
    )
    for doubled in {text for text, count in (said - meant).items() if meant[text]}:
        proof = [
            entry
            for entry in facts.final.entries
            if entry.kind == "message.posted" and (entry.actor_id, entry.data["text"]) == doubled
        ]
        yield Violation("G2", "doubled", "a text was said once, and stands in the log more often", tuple(proof))
