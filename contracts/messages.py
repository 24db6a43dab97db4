"""Every message on the bus: one class per type and version, with who sends it, who reads it, and where it goes.

A type's name is literal and versioned. A released type only ever gains optional fields; any other change is a new
type, published beside the old one.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.fields import Contract, EmailDigest, Seq, Timestamp
from contracts.routing import COMMANDS, EVENTS, MEMBERS, PRESENCE, REPLIES, ROOMS, Key, Service


class Payload(Contract):
    """The `data` of one CloudEvent.

    A `durable` message waits in its consumers' queues for as long as it takes. Any other goes to whoever is there.
    """

    type: ClassVar[str]
    producer: ClassVar[Service]
    consumers: ClassVar[tuple[Service, ...]]
    exchange: ClassVar[str]
    key: ClassVar[Key]
    durable: ClassVar[bool]


# --- events: facts about users --------------------------------------------------------------------------------------


class UserEvent(Payload):
    producer: ClassVar[Service] = Service.USER_SERVICE
    exchange: ClassVar[str] = EVENTS
    key: ClassVar[Key] = Key.TYPE
    durable: ClassVar[bool] = True


class UserRegistered(UserEvent):
    """`email_digest` is the HMAC-SHA256 of the canonical address under the key that `email_digest_key_id` names;
    `second_email_digest` the same under a second key, while one key takes the place of another."""

    type: ClassVar[str] = "user.registered.v1"
    consumers: ClassVar[tuple[Service, ...]] = (Service.CHAT_SERVICE, Service.BLOOM_SERVICE)

    user_id: UUID
    username: str
    display_name: str
    email_digest: EmailDigest
    email_digest_key_id: str
    second_email_digest: EmailDigest | None = None
    second_email_digest_key_id: str | None = None
    version: int
    registered_at: Timestamp


class UserProfileChanged(UserEvent):
    """`version` grows with each change of one user: a reader keeps the highest it has seen."""

    type: ClassVar[str] = "user.profile_changed.v1"
    consumers: ClassVar[tuple[Service, ...]] = (Service.CHAT_SERVICE,)

    user_id: UUID
    username: str
    display_name: str
    version: int


class UserDeleted(UserEvent):
    type: ClassVar[str] = "user.deleted.v1"
    consumers: ClassVar[tuple[Service, ...]] = (Service.CHAT_SERVICE, Service.BLOOM_SERVICE)

    user_id: UUID
    email_digest: EmailDigest
    email_digest_key_id: str
    version: int


class SessionRevoked(UserEvent):
    """A session has ended before its time; `session_id` is None when all of the user's sessions have.

    Not durable: it is for the connections that a gateway has, and a gateway that is not there has none.
    """

    type: ClassVar[str] = "session.revoked.v1"
    consumers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY_WS,)
    durable: ClassVar[bool] = False

    user_id: UUID
    session_id: UUID | None
    reason: Literal["logout", "token_reuse", "password_changed", "account_deleted"]


class UsersWatermark(UserEvent):
    """Every user event committed before `as_of` has been published before this message.

    `nobody` says that no account existed then: whoever hears everything from here on knows of every account.
    `email_digest_key_ids` names the keys under which digests are told, first the one under which is asked.

    Not durable: it is worth nothing three seconds later, the next one replaces it, and no event should wait for one to
    be stored.
    """

    type: ClassVar[str] = "users.watermark.v1"
    consumers: ClassVar[tuple[Service, ...]] = (Service.BLOOM_SERVICE,)
    durable: ClassVar[bool] = False

    as_of: Timestamp
    nobody: bool = False
    email_digest_key_ids: list[str] = Field(default_factory=list, max_length=2)


# --- commands: what a user asks of a room ---------------------------------------------------------------------------


class Command(Payload):
    producer: ClassVar[Service] = Service.GATEWAY_WS
    consumers: ClassVar[tuple[Service, ...]] = (Service.CHAT_SERVICE,)
    exchange: ClassVar[str] = COMMANDS
    key: ClassVar[Key] = Key.PARTITION
    durable: ClassVar[bool] = True


class SendMessage(Command):
    """`command_id` is the client's own: with one (user_id, command_id) the command takes effect at most once."""

    type: ClassVar[str] = "chat.send.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    text: str
    reply_to: UUID | None = None
    gateway_id: str


class EditMessage(Command):
    """Replaces the text of one's own message."""

    type: ClassVar[str] = "chat.edit.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    message_id: UUID
    text: str
    gateway_id: str


class DeleteMessage(Command):
    """Removes what a message says, for good: one's own, or any as the room's owner or admin."""

    type: ClassVar[str] = "chat.delete.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    message_id: UUID
    gateway_id: str


class ReactToMessage(Command):
    """Adds (`on`) or removes one's own reaction."""

    type: ClassVar[str] = "chat.react.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    message_id: UUID
    emoji: str
    on: bool
    gateway_id: str


class MarkRead(Command):
    """Moves the user's read mark in a room forward, never back."""

    type: ClassVar[str] = "chat.mark_read.v1"

    user_id: UUID
    room_id: UUID
    seq: Seq


# --- replies: to the gateway that asked -----------------------------------------------------------------------------


class Reply(Payload):
    """Not durable: an answer is for a connection, and ends with it. Who has not had one sends the command again."""

    producer: ClassVar[Service] = Service.CHAT_SERVICE
    consumers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY_WS,)
    exchange: ClassVar[str] = REPLIES
    key: ClassVar[Key] = Key.GATEWAY
    durable: ClassVar[bool] = False


class CommandAccepted(Reply):
    """The answer to a repeated command: the values of the entry that it made the first time."""

    type: ClassVar[str] = "command.accepted.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    seq: Seq
    message_id: UUID | None
    at: Timestamp


class Refusal(StrEnum):
    NOT_A_MEMBER = "not_a_member"
    FORBIDDEN = "forbidden"
    MUTED = "muted"
    NOT_FOUND = "not_found"
    TOO_LONG = "too_long"
    INVALID = "bad_frame"


class CommandRefused(Reply):
    """`retry_after` is in seconds, where time alone will change the answer."""

    type: ClassVar[str] = "command.refused.v1"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    code: Refusal
    detail: str
    retry_after: float | None = None


# --- room entries and passing news: to the gateways that listen -----------------------------------------------------


class RoomNews(Payload):
    """Not durable: a gateway finds out what it has missed, and fetches the entries among it."""

    producer: ClassVar[Service] = Service.CHAT_SERVICE
    consumers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY_WS,)
    exchange: ClassVar[str] = ROOMS
    key: ClassVar[Key] = Key.SHARD
    durable: ClassVar[bool] = False


class RoomEntry(RoomNews):
    """One entry of a room's log, as committed. `command_id` is that of the command that made it, if one did, and
    `origin` tells the gateway that brought that command (`contracts.routing.origin_of`; 0: none did, None: not known).

    `data` is by kind: see `contracts.entries`. Kinds are an open set, for which readers must be prepared.
    """

    type: ClassVar[str] = "room.entry.v1"

    room_id: UUID
    seq: Seq
    kind: str
    actor_id: UUID
    id: UUID
    at: Timestamp
    data: dict[str, Any]
    command_id: UUID | None = None
    origin: Annotated[int, Field(ge=0, lt=2**32)] | None = None


class MemberAdded(RoomNews):
    """Tells every gateway that a user has a new room, whose shard it may not be listening to yet."""

    type: ClassVar[str] = "member.added.v1"
    exchange: ClassVar[str] = MEMBERS
    key: ClassVar[Key] = Key.EVERYBODY

    room_id: UUID
    user_id: UUID
    seq: Seq


class RoomRead(RoomNews):
    """Passing news: a member's read mark has moved."""

    type: ClassVar[str] = "room.read.v1"

    room_id: UUID
    user_id: UUID
    seq: Seq


class RoomTyping(RoomNews):
    """Passing news: a member has begun or stopped typing."""

    type: ClassVar[str] = "room.typing.v1"
    producer: ClassVar[Service] = Service.GATEWAY_WS

    room_id: UUID
    user_id: UUID
    on: bool


# --- presence: between gateways ------------------------------------------------------------------------------------


class PresenceNews(Payload):
    """Not durable: it is said again, every ten seconds unless set otherwise, for as long as it is true."""

    producer: ClassVar[Service] = Service.GATEWAY_WS
    consumers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY_WS,)
    durable: ClassVar[bool] = False


class PresenceQuery(PresenceNews):
    """Asks every gateway, the asking one among them, to report these users, now and whenever they come or go.

    It holds for three intervals (thirty seconds); who is still interested asks again before that.
    """

    type: ClassVar[str] = "presence.query.v1"
    exchange: ClassVar[str] = PRESENCE
    key: ClassVar[Key] = Key.EVERYBODY

    gateway_id: str
    user_ids: list[UUID]


class PresenceReport(PresenceNews):
    """To a gateway that has asked: which users are connected to `gateway_id`, and when the last connection there of
    others ended. Of whom it says nothing it knows nothing."""

    type: ClassVar[str] = "presence.report.v1"
    exchange: ClassVar[str] = REPLIES
    key: ClassVar[Key] = Key.GATEWAY

    gateway_id: str
    online: list[UUID]
    offline: dict[UUID, Timestamp]


PAYLOADS: tuple[type[Payload], ...] = (
    UserRegistered,
    UserProfileChanged,
    UserDeleted,
    SessionRevoked,
    UsersWatermark,
    SendMessage,
    EditMessage,
    DeleteMessage,
    ReactToMessage,
    MarkRead,
    CommandAccepted,
    CommandRefused,
    RoomEntry,
    MemberAdded,
    RoomRead,
    RoomTyping,
    PresenceQuery,
    PresenceReport,
)
