"""The readable state is what follows from the log: messages, reactions, members, unread counts. And what was deleted is
nowhere any more. A breach counts against G3, the log being what everybody relies on; what should be gone, as a leak."""

from collections import defaultdict
from collections.abc import Iterator

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.state import Entry, Message
from tests.e2e.faults.violation import Violation


def check(facts: Facts) -> Iterator[Violation]:
    yield from _messages(facts)
    yield from _members(facts)
    yield from _unread(facts)
    yield from _erased(facts)


def _messages(facts: Facts) -> Iterator[Violation]:
    expected, misfits = _fold(facts)
    yield from misfits
    found = {message.id: message for message in facts.final.messages}
    for id, message in expected.items():
        if id not in found:
            yield Violation("G3", "lost", "a message is in the log, and not among the messages", (message,))
        elif found[id] != message:
            yield Violation("G3", "other", "a message reads otherwise than the log", (message, found[id]))
    for id, message in found.items():
        if id not in expected:
            yield Violation("G3", "other", "a message is not in the log", (message,))


def _fold(facts: Facts) -> tuple[dict[str, Message], list[Violation]]:
    """The messages that follow from the log, and the entries that don't fit what was before them."""
    messages: dict[str, Message] = {}
    misfits: list[Violation] = []
    for log in facts.log.values():
        for _, entry in sorted(log.items()):
            if (misfit := _apply(messages, entry)) is not None:
                misfits.append(Violation("G3", "other", misfit, (entry,)))
    for message in facts.final.messages:
        # a deleted text may be kept as null or as nothing
        if message.deleted and message.id in messages:
            messages[message.id].text = message.text
    return messages, misfits


def _apply(messages: dict[str, Message], entry: Entry) -> str | None:
    """Returns what is wrong."""
    data = entry.data
    if entry.kind == "message.posted":
        messages[data["message_id"]] = Message(
            id=data["message_id"],
            room_id=entry.room_id,
            seq=entry.seq,
            sender_id=entry.actor_id,
            text=data["text"],
            reply_to=data["reply_to"],
            at=entry.at,
        )
        return None
    if not entry.kind.startswith(("message.", "reaction.")):
        return None
    message = messages.get(data["message_id"])
    if message is None or message.room_id != entry.room_id:
        return "an entry is about a message that its room does not have"
    if message.deleted:
        return "an entry is about a message that was deleted before"
    match entry.kind:
        case "message.edited":
            message.text, message.edited_at = data["text"], entry.at
            if entry.actor_id != message.sender_id:
                return "a message was edited by somebody else"
        case "message.deleted":
            message.text, message.deleted = None, True
            message.reactions = set()
        case "reaction.added":
            message.reactions.add((data["emoji"], entry.actor_id))
        case "reaction.removed":
            message.reactions.discard((data["emoji"], entry.actor_id))
    return None


def _members(facts: Facts) -> Iterator[Violation]:
    roles: dict[tuple[str, str], str] = {}
    for room_id, log in facts.log.items():
        for _, entry in sorted(log.items()):
            if entry.kind in ("member.joined", "member.role_changed"):
                roles[room_id, entry.data["user_id"]] = entry.data["role"]
    expected = {key: role for key, role in roles.items() if facts.is_still_member(key[1], key[0])}
    found = {(member.room_id, member.user_id): member for member in facts.final.members}
    for key, role in expected.items():
        if key not in found:
            yield Violation("G3", "lost", f"by the log {key[1]} is a member of room {key[0]}", ())
        elif found[key].role != role:
            yield Violation("G3", "other", f"by the log a member is {role}", (found[key],))
    for key, member in found.items():
        if key not in expected:
            yield Violation("G5", "leaked", "somebody is a member, and not by the log", (member,))


def _unread(facts: Facts) -> Iterator[Violation]:
    """Unread are the messages of others after one's read mark, also those that were deleted since."""
    posted: dict[str, list[Entry]] = defaultdict(list)
    for entry in facts.final.entries:
        if entry.kind == "message.posted":
            posted[entry.room_id].append(entry)
    for member in facts.final.members:
        unread = sum(
            entry.seq > member.read_seq and entry.actor_id != member.user_id for entry in posted[member.room_id]
        )
        if member.unread != unread or member.read_seq > facts.head(member.room_id):
            yield Violation("G3", "other", f"{unread} messages are unread by the log", (member,))


def _erased(facts: Facts) -> Iterator[Violation]:
    gone = _texts_of_the_deleted(facts)
    for entry in facts.final.entries:
        text = entry.data.get("text")
        if text is not None and (text in gone or facts.is_erased(entry)):
            yield Violation("G5", "leaked", "a deleted text is still in the log", (entry,))
    for message in facts.final.messages:
        if message.text and (message.text in gone or message.deleted):
            yield Violation("G5", "leaked", "a deleted text is still among the messages", (message,))


def _texts_of_the_deleted(facts: Facts) -> set[str]:
    """What was asked to be said in messages that are deleted."""
    gone: set[str] = set()
    for key, command in facts.history.commands.items():
        if command.text is None:
            continue
        for entry in facts.entries_of.get(key, ()):
            if facts.is_erased(entry):
                gone.add(command.text)
    return gone
