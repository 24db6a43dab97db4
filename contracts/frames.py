"""WebSocket frames, version 1: one JSON object per text frame, told apart by `type`.

Either side passes over fields that it does not know, and a client also frames and kinds of events.
"""

from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from contracts.fields import Contract, Seq, Timestamp
from contracts.internal_http import RoomView

MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT_CHARACTERS = 8_000
MAX_EMOJI_CHARACTERS = 64
MAX_RESUME_ROOMS = 1_000
MAX_WATCHED_USERS = 1_000
SUBPROTOCOL = "parley.v1"


class CloseCode(IntEnum):
    """Why the server closed. RFC 6455 section 7.4.1 for the codes below 4000."""

    NORMAL = 1000
    GOING_AWAY = 1001
    NOT_TEXT = 1003
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    UNAUTHORIZED = 4001
    SESSION_REVOKED = 4003
    SLOW_CONSUMER = 4008
    TOO_MANY_FRAMES = 4029


class ErrorCode(StrEnum):
    BAD_FRAME = "bad_frame"
    UNAUTHORIZED = "unauthorized"
    NOT_A_MEMBER = "not_a_member"
    FORBIDDEN = "forbidden"
    MUTED = "muted"
    NOT_FOUND = "not_found"
    TOO_LONG = "too_long"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


# --- client to server -----------------------------------------------------------------------------------------------


class ClientFrame(Contract):
    """What a client may say. To be read with `CLIENT_FRAME` and `extra="ignore"`."""

    type: str


class Hello(ClientFrame):
    """The first frame. `resume` names the last seq seen per room, `client` the program, for the logs."""

    type: Literal["hello"]
    token: str
    resume: dict[UUID, Seq] = Field(default_factory=dict, max_length=MAX_RESUME_ROOMS)
    client: str | None = Field(default=None, max_length=200)


class Send(ClientFrame):
    """Posts a message. With one `id` it does so once, however often, and over whichever connection, it is sent.

    The gateway measures `text`, so that a long one is answered `too_long` rather than `bad_frame`.
    """

    type: Literal["send"]
    id: UUID
    room_id: UUID
    text: str = Field(min_length=1)
    reply_to: UUID | None = None


class Edit(ClientFrame):
    """Replaces the text of one's own message."""

    type: Literal["edit"]
    id: UUID
    room_id: UUID
    message_id: UUID
    text: str = Field(min_length=1)


class Delete(ClientFrame):
    """Removes what a message says, for good: one's own, or any as the room's owner or admin."""

    type: Literal["delete"]
    id: UUID
    room_id: UUID
    message_id: UUID


class React(ClientFrame):
    """Adds (`on`) or removes one's own reaction: an emoji, or a short name for one, without spaces."""

    type: Literal["react"]
    id: UUID
    room_id: UUID
    message_id: UUID
    emoji: str = Field(min_length=1, max_length=MAX_EMOJI_CHARACTERS)
    on: bool


class Read(ClientFrame):
    """Moves one's read mark forward, never back."""

    type: Literal["read"]
    room_id: UUID
    seq: Seq


class Typing(ClientFrame):
    """Tells the other members that one has begun or stopped typing."""

    type: Literal["typing"]
    room_id: UUID
    on: bool


class Watch(ClientFrame):
    """Whose presence to be told of: once soon, then whenever it changes. Replaces the former set, and an empty one ends
    it; who was watched before is not told of again. Of the rate it takes one frame, and one for each hundred users."""

    type: Literal["watch"]
    user_ids: list[UUID] = Field(max_length=MAX_WATCHED_USERS)


class Refresh(ClientFrame):
    """A new access token for the same user."""

    type: Literal["refresh"]
    token: str


AnyClientFrame = Hello | Send | Edit | Delete | React | Read | Typing | Watch | Refresh
CLIENT_FRAME: TypeAdapter[AnyClientFrame] = TypeAdapter(Annotated[AnyClientFrame, Field(discriminator="type")])


# --- server to client -----------------------------------------------------------------------------------------------


class ServerFrame(Contract):
    type: str


class FrameUser(Contract):
    id: UUID
    username: str
    display_name: str


class Limits(Contract):
    """`frames_per_second` is sustained; `frames_burst` may come at once."""

    frame_bytes: int = MAX_FRAME_BYTES
    text_characters: int = MAX_TEXT_CHARACTERS
    resume_rooms: int = MAX_RESUME_ROOMS
    watched_users: int = MAX_WATCHED_USERS
    frames_per_second: float
    frames_burst: int


class Welcome(ServerFrame):
    """The answer to `hello`. `epoch` changes only if the log's past was rewritten: drop what you hold."""

    type: Literal["welcome"] = "welcome"
    session_id: UUID
    user: FrameUser
    rooms: list[RoomView]
    epoch: str
    heartbeat_s: int
    limits: Limits


class Ack(ServerFrame):
    """The command `id` is committed. A `duplicate` has the first answer's values."""

    type: Literal["ack"] = "ack"
    id: UUID
    room_id: UUID
    seq: Seq
    message_id: UUID | None
    at: Timestamp
    duplicate: bool


class Error(ServerFrame):
    """Something can't be done. `id` is that of the command it answers; without one, the frame in question had none."""

    type: Literal["error"] = "error"
    id: UUID | None = None
    code: ErrorCode
    detail: str
    retry_after: float | None = None


class Event(ServerFrame):
    """One entry of a room's log. `data` is by `kind`: see `contracts.entries`."""

    type: Literal["event"] = "event"
    room_id: UUID
    seq: Seq
    kind: str
    actor_id: UUID
    id: UUID
    at: Timestamp
    data: dict[str, Any]


class Gap(ServerFrame):
    """Entries with after < seq < before were too many to replay."""

    type: Literal["gap"] = "gap"
    room_id: UUID
    after: Seq
    before: Seq


class RoomAdded(ServerFrame):
    """One has become a member of a room: its events follow."""

    type: Literal["room_added"] = "room_added"
    room: RoomView


class RoomRemoved(ServerFrame):
    """One is no member of the room any more: nothing of it follows.

    Comes after the room's last event; and right after `welcome`, for each room in `resume` that one is no member of,
    with the reason `removed`, whatever it was.
    """

    type: Literal["room_removed"] = "room_removed"
    room_id: UUID
    reason: Literal["left", "removed", "room_deleted"]


class ReadMoved(ServerFrame):
    """Passing news: a member's read mark has moved."""

    type: Literal["read"] = "read"
    room_id: UUID
    user_id: UUID
    seq: Seq


class TypingChanged(ServerFrame):
    """Passing news: a member has begun or stopped typing."""

    type: Literal["typing"] = "typing"
    room_id: UUID
    user_id: UUID
    on: bool


class Presence(ServerFrame):
    """Passing news: a watched user is online while any connection of theirs lives. `last_seen` is when the last one
    ended, as far as the gateways remember; None while one lives."""

    type: Literal["presence"] = "presence"
    user_id: UUID
    online: bool
    last_seen: Timestamp | None


class TokenExpiring(ServerFrame):
    """Send `refresh` within `expires_in` seconds."""

    type: Literal["token_expiring"] = "token_expiring"
    expires_in: int


CLIENT_FRAMES: tuple[type[ClientFrame], ...] = (Hello, Send, Edit, Delete, React, Read, Typing, Watch, Refresh)
SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    Welcome,
    Ack,
    Error,
    Event,
    Gap,
    RoomAdded,
    RoomRemoved,
    ReadMoved,
    TypingChanged,
    Presence,
    TokenExpiring,
)
