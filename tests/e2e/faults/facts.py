"""A history and a final state, arranged so that each promise can be looked up."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.e2e.faults.history import Ack, Command, Connection, Error, History, Post, Sent
from tests.e2e.faults.state import Entry, Final

_FOREVER = float("inf")

Key = tuple[str, str]
"""A user, and the id of a command of theirs."""


@dataclass(slots=True)
class Answers:
    """What became of one command: every sending of it, every answer to one, and every attempt to post it."""

    sent: list[tuple[Sent, Connection]] = field(default_factory=list)
    acks: list[tuple[Ack, Connection]] = field(default_factory=list)
    errors: list[tuple[Error, Connection]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)

    @property
    def kept_posts(self) -> list[Post]:
        """The attempts that were answered with the message."""
        return [post for post in self.posts if post.status in (200, 201)]


class Facts:
    """`log` has the entries of each room by seq, `entries_of` those that each command made."""

    def __init__(self, history: History, final: Final, filter_grace_s: float) -> None:
        self.history = history
        self.final = final
        self.filter_grace_s = filter_grace_s
        self.log: dict[str, dict[int, Entry]] = defaultdict(dict)
        self.entries_of: dict[Key, list[Entry]] = defaultdict(list)
        self.deleted_messages: dict[str, Entry] = {}
        for entry in final.entries:
            self.log[entry.room_id][entry.seq] = entry
            if entry.command_id is not None:
                self.entries_of[entry.actor_id, entry.command_id].append(entry)
            if entry.kind == "message.deleted":
                self.deleted_messages.setdefault(entry.data["message_id"], entry)
        self.answers = _answers(history)
        self.emails = set(final.emails)
        self._heads = {room_id: max(log) for room_id, log in self.log.items()}
        self._memberships = _memberships(final)

    def commands(self) -> Iterator[tuple[Key, Command, Answers]]:
        for key, command in self.history.commands.items():
            yield key, command, self.answers.get(key) or Answers()

    def head(self, room_id: str) -> int:
        return self._heads.get(room_id, 0)

    def is_member(self, user_id: str, room_id: str, seq: int) -> bool:
        """Whether the user may see the entry of that seq by the log: from their joining to their removal."""
        return any(joined <= seq <= ended for joined, ended in self._memberships.get((room_id, user_id), ()))

    def joins(self, user_id: str, room_id: str) -> list[int]:
        """The seqs at which the user became a member."""
        return [joined for joined, _ in self._memberships.get((room_id, user_id), ())]

    def is_still_member(self, user_id: str, room_id: str) -> bool:
        return any(ended == _FOREVER for _, ended in self._memberships.get((room_id, user_id), ()))

    def ends_membership(self, entry: Entry, user_id: str) -> bool:
        return _ends(entry) == user_id

    def is_erased(self, entry: Entry) -> bool:
        """Whether the text of a `message.posted` or `message.edited` may be gone, and must be."""
        return entry.data.get("message_id") in self.deleted_messages


def _ends(entry: Entry) -> str | None:
    """Whose membership an entry ends."""
    return entry.data["user_id"] if entry.kind in ("member.left", "member.removed") else None


def _memberships(final: Final) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """By room and user: from which seq to which."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)

    for entry in sorted(final.entries, key=lambda entry: (entry.room_id, entry.seq)):
        whose = _ends(entry)
        if entry.kind == "member.joined":
            found[entry.room_id, entry.data["user_id"]].append((entry.seq, _FOREVER))
        elif whose is not None and (spans := found[entry.room_id, whose]):
            joined, ended = spans[-1]
            spans[-1] = (joined, min(ended, entry.seq))
    return found


def _answers(history: History) -> dict[Key, Answers]:
    answers: dict[Key, Answers] = defaultdict(Answers)
    for connection in history.connections:
        for record in connection.records:
            match record:
                case Sent():
                    answers[connection.user_id, record.command_id].sent.append((record, connection))
                case Ack():
                    answers[connection.user_id, record.command_id].acks.append((record, connection))
                case Error() if record.command_id is not None:
                    answers[connection.user_id, record.command_id].errors.append((record, connection))
    for post in history.posts:
        answers[post.user_id, post.command_id].posts.append(post)
    return answers
