"""What the clients of a run did and saw, in the order in which each of them did and saw it.

Times are seconds of one monotonic clock. A soak has some millions of received events: of each, one small tuple is kept,
shared by all who received it, with digests in the place of its content.
"""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

Json = dict[str, Any]

_LONG = 200


def abridged(text: str) -> str:
    """A text as histories and final states hold it: a long one by its beginning and its digest. Equal for equals."""
    if len(text) <= _LONG:
        return text
    return f"{text[:40]}… {blake2b(text.encode(), digest_size=12).hexdigest()}"


def digests(event: Json) -> tuple[int, int]:
    """Of an event's content, and of what is left of it when its text is erased. The same for one without a text."""
    data = event["data"]
    text = data.get("text")
    parts = [event[name] for name in ("room_id", "seq", "kind", "actor_id", "id", "at")]
    if text is None:
        digest = _digest([*parts, data])
        return digest, digest
    return _digest([*parts, {**data, "text": abridged(text)}]), _digest([*parts, {**data, "text": None}])


def _digest(value: object) -> int:
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")


# --- on a connection ------------------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """A command frame left for the server."""

    command_id: str
    at: float


class Event(NamedTuple):
    """As it came on a connection, or in a page."""

    room_id: str
    seq: int
    digest: int
    digest_without_text: int

    @classmethod
    def of(cls, event: Json) -> "Event":
        return cls(event["room_id"], event["seq"], *digests(event))


class Gap(NamedTuple):
    room_id: str
    after: int
    before: int


class RoomAdded(NamedTuple):
    room_id: str
    head: int


class RoomRemoved(NamedTuple):
    room_id: str
    reason: str


class News(NamedTuple):
    """`read` or `typing`."""

    room_id: str
    type: str


class Ack(NamedTuple):
    """`received_at` is ours, `at` the server's."""

    command_id: str
    room_id: str
    seq: int
    message_id: str | None
    at: str
    duplicate: bool
    received_at: float


class Error(NamedTuple):
    command_id: str | None
    code: str
    received_at: float


PASSING_ERRORS = ("unavailable", "rate_limited", "internal")
"""After these nobody knows whether the command took effect: it is to be sent again."""


class Stalled(NamedTuple):
    """The client stopped reading."""

    at: float


class ReadOn(NamedTuple):
    """The client reads again after it had stopped."""

    at: float


Record = Sent | Event | Gap | RoomAdded | RoomRemoved | News | Ack | Error | Stalled | ReadOn


class WelcomeRoom(NamedTuple):
    room_id: str
    head: int


@dataclass(slots=True)
class Connection:
    """One connection of a client. `welcome` is None if none came; `close_code` while it is open, and 1006 when it ended
    without one. `quiet`: it was open to the end, when nobody did anything any more and everything should have come."""

    number: int
    client: str
    user_id: str
    opened_at: float
    resume: dict[str, int] = field(default_factory=dict)
    welcome: list[WelcomeRoom] | None = None
    closed_at: float | None = None
    close_code: int | None = None
    quiet: bool = False
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Command:
    """What a command asks for. By kind: `send` has text and perhaps reply_to, `edit` message_id and text, `delete`
    message_id, `react` message_id, emoji and on."""

    id: str
    user_id: str
    room_id: str
    kind: str
    text: str | None = None
    reply_to: str | None = None
    message_id: str | None = None
    emoji: str | None = None
    on: bool | None = None


# --- over HTTP ------------------------------------------------------------------------------------------------------


class Post(NamedTuple):
    """One attempt to post a message under the key of its command. `status` is None where no answer came; the rest is
    what a 200 or 201 told."""

    user_id: str
    command_id: str
    sent_at: float
    answered_at: float
    status: int | None
    message_id: str | None = None
    seq: int | None = None
    at: str | None = None


class Change(NamedTuple):
    """An attempt to make somebody a member (`join`, `add`) or end that (`leave`, `remove`)."""

    action: str
    room_id: str
    user_id: str
    sent_at: float
    answered_at: float
    status: int | None


class Page(NamedTuple):
    """Somebody asked for a room's messages or events. `events` are those that came."""

    room_id: str
    user_id: str
    sent_at: float
    answered_at: float
    status: int | None
    events: tuple[Event, ...] = ()


class Registration(NamedTuple):
    """`status` with the problem's code: 409 `email_taken`."""

    email: str
    sent_at: float
    answered_at: float
    status: int | None
    code: str | None = None


class Deletion(NamedTuple):
    """An attempt to delete the account of an email."""

    email: str
    sent_at: float
    answered_at: float
    status: int | None


class Availability(NamedTuple):
    """`available` is None where no answer came."""

    email: str
    sent_at: float
    answered_at: float
    available: bool | None


class Login(NamedTuple):
    email: str
    sent_at: float
    answered_at: float
    status: int | None


@dataclass(slots=True)
class History:
    """Of one run. Commands are by (user, id), those of posts too."""

    seed: int
    commands: dict[tuple[str, str], Command] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    registrations: list[Registration] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    availabilities: list[Availability] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)

    def connect(self, client: str, user_id: str, opened_at: float, resume: dict[str, int]) -> Connection:
        """The record of a connection that is just being opened."""
        connection = Connection(len(self.connections), client, user_id, opened_at, resume)
        self.connections.append(connection)
        return connection
