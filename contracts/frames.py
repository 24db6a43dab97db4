"""WebSocket frames, version 1: one JSON object per text frame, told apart by `type`.

A client frame is validated strictly: a field that is not declared makes it a `bad_frame`.
"""

from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contracts.fields import Contract, Seq, Timestamp
from contracts.internal_http import RoomView
from contracts.messages import EntryKind

MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT_CHARACTERS = 8_000
MAX_RESUME_ROOMS = 1_000
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


class ClientFrame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hello(ClientFrame):
    type: Literal["hello"]
    token: str
    resume: dict[UUID, Seq] = Field(default_factory=dict, max_length=MAX_RESUME_ROOMS)
    client: str | None = Field(default=None, max_length=200)


class Send(ClientFrame):
    """`text` is measured by the gateway, so that a long one is answered `too_long` rather than `bad_frame`."""

    type: Literal["send"]
    id: UUID
    room_id: UUID
    text: str = Field(min_length=1)
    reply_to: UUID | None = None


class Read(ClientFrame):
    type: Literal["read"]
    room_id: UUID
    seq: Seq


class Typing(ClientFrame):
    type: Literal["typing"]
    room_id: UUID
    on: bool


class Refresh(ClientFrame):
    type: Literal["refresh"]
    token: str


AnyClientFrame = Annotated[Hello | Send | Read | Typing | Refresh, Field(discriminator="type")]
CLIENT_FRAME: TypeAdapter[Hello | Send | Read | Typing | Refresh] = TypeAdapter(AnyClientFrame)


# --- server to client -----------------------------------------------------------------------------------------------


class FrameUser(Contract):
    id: UUID
    username: str
    display_name: str


class Limits(Contract):
    """`frames_per_second` is sustained; `frames_burst` may come at once."""

    frame_bytes: int = MAX_FRAME_BYTES
    text_characters: int = MAX_TEXT_CHARACTERS
    resume_rooms: int = MAX_RESUME_ROOMS
    frames_per_second: float
    frames_burst: int


class Welcome(Contract):
    type: Literal["welcome"] = "welcome"
    session_id: UUID
    user: FrameUser
    rooms: list[RoomView]
    epoch: str
    heartbeat_s: int
    limits: Limits


class Ack(Contract):
    type: Literal["ack"] = "ack"
    id: UUID
    room_id: UUID
    seq: Seq
    message_id: UUID | None
    at: Timestamp
    duplicate: bool


class Error(Contract):
    """`id` is that of the command it answers; without one, the frame that caused it had no id."""

    type: Literal["error"] = "error"
    id: UUID | None = None
    code: ErrorCode
    detail: str
    retry_after: float | None = None


class Event(Contract):
    type: Literal["event"] = "event"
    room_id: UUID
    seq: Seq
    kind: EntryKind
    actor_id: UUID
    id: UUID
    at: Timestamp
    data: dict[str, Any]


class Gap(Contract):
    """Entries with after < seq < before were too many to replay."""

    type: Literal["gap"] = "gap"
    room_id: UUID
    after: Seq
    before: Seq


class RoomAdded(Contract):
    type: Literal["room_added"] = "room_added"
    room: RoomView


class RoomRemoved(Contract):
    type: Literal["room_removed"] = "room_removed"
    room_id: UUID
    reason: Literal["left", "removed", "room_deleted"]


class ReadMoved(Contract):
    type: Literal["read"] = "read"
    room_id: UUID
    user_id: UUID
    seq: Seq


class TypingChanged(Contract):
    type: Literal["typing"] = "typing"
    room_id: UUID
    user_id: UUID
    on: bool


class TokenExpiring(Contract):
    """`expires_in` is in seconds."""

    type: Literal["token_expiring"] = "token_expiring"
    expires_in: int
