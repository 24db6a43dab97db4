"""Every message on the bus: one class per type and version.

A type's name is literal and versioned. A released type only ever gains optional fields; any other change is a new
type, published beside the old one.
"""

from enum import StrEnum
from typing import Any, ClassVar, Literal
from uuid import UUID

from contracts.fields import Contract, Seq, Timestamp


class Payload(Contract):
    """The `data` of one CloudEvent."""

    type: ClassVar[str]
    source: ClassVar[str]


# --- events: facts about users, from user_service -------------------------------------------------------------------


class UserRegistered(Payload):
    """`email_digest` is the hex HMAC-SHA256 of the canonical address under the key `email_digest_key_id` names."""

    type: ClassVar[str] = "user.registered.v1"
    source: ClassVar[str] = "/user_service"

    user_id: UUID
    username: str
    display_name: str
    email_digest: str
    email_digest_key_id: str
    version: int
    registered_at: Timestamp


class UserProfileChanged(Payload):
    """`version` grows with each change of one user: a reader keeps the highest it has seen."""

    type: ClassVar[str] = "user.profile_changed.v1"
    source: ClassVar[str] = "/user_service"

    user_id: UUID
    username: str
    display_name: str
    version: int


class UserDeleted(Payload):
    type: ClassVar[str] = "user.deleted.v1"
    source: ClassVar[str] = "/user_service"

    user_id: UUID
    email_digest: str
    email_digest_key_id: str
    version: int


class SessionRevoked(Payload):
    """A session has ended before its time; `session_id` is None when all of the user's sessions have."""

    type: ClassVar[str] = "session.revoked.v1"
    source: ClassVar[str] = "/user_service"

    user_id: UUID
    session_id: UUID | None
    reason: Literal["logout", "token_reuse", "account_deleted"]


class UsersWatermark(Payload):
    """Every user event committed before `as_of` has been published before this message.

    `nobody` says that no account existed then: whoever hears everything from here on knows of every account.
    """

    type: ClassVar[str] = "users.watermark.v1"
    source: ClassVar[str] = "/user_service"

    as_of: Timestamp
    nobody: bool = False


# --- commands: what a user asks of a room, from the gateway to chat_service -----------------------------------------


class SendMessage(Payload):
    """`command_id` is the client's own: with one (user_id, command_id) the command takes effect at most once."""

    type: ClassVar[str] = "chat.send.v1"
    source: ClassVar[str] = "/gateway_ws"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    text: str
    reply_to: UUID | None = None
    gateway_id: str


class MarkRead(Payload):
    """Moves the user's read mark in a room forward, never back."""

    type: ClassVar[str] = "chat.mark_read.v1"
    source: ClassVar[str] = "/gateway_ws"

    user_id: UUID
    room_id: UUID
    seq: Seq


# --- replies: from chat_service to the gateway that asked -----------------------------------------------------------


class CommandAccepted(Payload):
    """The answer to a repeated command: the values of the entry that it made the first time."""

    type: ClassVar[str] = "command.accepted.v1"
    source: ClassVar[str] = "/chat_service"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    seq: Seq
    message_id: UUID | None
    at: Timestamp


class Refusal(StrEnum):
    NOT_A_MEMBER = "not_a_member"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_LONG = "too_long"
    INVALID = "bad_frame"


class CommandRefused(Payload):
    type: ClassVar[str] = "command.refused.v1"
    source: ClassVar[str] = "/chat_service"

    command_id: UUID
    user_id: UUID
    room_id: UUID
    code: Refusal
    detail: str


# --- room entries and passing news: broadcast to the gateways -------------------------------------------------------


class EntryKind(StrEnum):
    MESSAGE_POSTED = "message.posted"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    MEMBER_REMOVED = "member.removed"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    ROOM_UPDATED = "room.updated"


class RoomEntry(Payload):
    """One entry of a room's log, as committed. `command_id` is that of the command that made it, if one did.

    `data` by kind: message.posted {message_id, text, reply_to}; member.joined {user_id, role, username,
    display_name}; member.left and member.removed {user_id}; member.role_changed {user_id, role}; room.updated
    {name, topic}, or {deleted: true} as the last entry of a deleted room.
    """

    type: ClassVar[str] = "room.entry.v1"
    source: ClassVar[str] = "/chat_service"

    room_id: UUID
    seq: Seq
    kind: EntryKind
    actor_id: UUID
    id: UUID
    at: Timestamp
    data: dict[str, Any]
    command_id: UUID | None = None


class MemberAdded(Payload):
    """Tells every gateway that a user has a new room, whose shard it may not be listening to yet."""

    type: ClassVar[str] = "member.added.v1"
    source: ClassVar[str] = "/chat_service"

    room_id: UUID
    user_id: UUID
    seq: Seq


class RoomRead(Payload):
    """Passing news: a member's read mark has moved."""

    type: ClassVar[str] = "room.read.v1"
    source: ClassVar[str] = "/chat_service"

    room_id: UUID
    user_id: UUID
    seq: Seq


class RoomTyping(Payload):
    """Passing news: a member has begun or stopped typing."""

    type: ClassVar[str] = "room.typing.v1"
    source: ClassVar[str] = "/gateway_ws"

    room_id: UUID
    user_id: UUID
    on: bool


PAYLOADS: tuple[type[Payload], ...] = (
    UserRegistered,
    UserProfileChanged,
    UserDeleted,
    SessionRevoked,
    UsersWatermark,
    SendMessage,
    MarkRead,
    CommandAccepted,
    CommandRefused,
    RoomEntry,
    MemberAdded,
    RoomRead,
    RoomTyping,
)
