"""What may be asked of a room by a command, and what may come of it."""

from dataclasses import dataclass

from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, Refusal, RoomEntry, SendMessage

AnsweredCommand = SendMessage | EditMessage | DeleteMessage | ReactToMessage
"""With an id of its own: each makes one entry, or is refused."""

Command = AnsweredCommand | MarkRead


@dataclass(frozen=True, slots=True)
class Accepted:
    entry: RoomEntry


@dataclass(frozen=True, slots=True)
class Repeated:
    """The command took effect before: this is the entry that it made."""

    entry: RoomEntry


@dataclass(frozen=True, slots=True)
class Refused:
    """`retry_after` is in seconds, where time alone will change the answer."""

    code: Refusal
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The user's read mark now stands here."""

    seq: int


Outcome = Accepted | Repeated | Refused | Moved | None
"""None: a read mark that stays where it was."""
