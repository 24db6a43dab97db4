"""What services ask one another over HTTP. Behind a service credential, never routed by the proxy.

| call | who asks whom |
|---|---|
| `GET /internal/v1/users/{id}` → `UserView`, 404 | chat_service → user_service |
| `POST /internal/v1/sessions/active` `ActiveSessionsRequest` → `ActiveSessions` | gateway_ws → user_service |
| `POST /emails/check` `EmailCheck` → `EmailAnswer`, 503 `behind` | user_service → bloom_service |
| `GET /internal/v1/emails/digests?key_id&after&limit` → `EmailDigests`, 404 | bloom_service → user_service |
| `POST /internal/v1/users/rooms` `RoomsOfUsersRequest` → `RoomsOfUsers` | gateway_ws → chat_service |
| `POST /internal/v1/users/catch_up` `CatchUpsRequest` → `CatchUps` | gateway_ws → chat_service |
| `POST /internal/v1/rooms/entries` `EntriesRequest` → `Entries` | gateway_ws → chat_service |
| `GET /internal/v1/users/{id}/rooms` → `RoomIds` | older gateway_ws → chat_service |
| `POST /internal/v1/users/{id}/catch_up` `CatchUpRequest` → `CatchUp` | older gateway_ws → chat_service |
"""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from contracts.fields import Contract, EmailDigest, Role, RoomKind, Seq, Timestamp
from contracts.messages import RoomEntry


class UserView(Contract):
    """A user as others see them. A reader of two views keeps the one with the higher `version`."""

    id: UUID
    username: str
    display_name: str
    version: int


class Question(Contract):
    """The body of a request. FastAPI reads it, and passes over unknown fields only where the model says so; mypy keeps
    writers from setting any."""

    model_config = ConfigDict(extra="ignore")


class ActiveSessionsRequest(Question):
    """Which of these sessions are active?"""

    session_ids: list[UUID] = Field(min_length=1, max_length=1000)


class ActiveSessions(Contract):
    """Those of the sessions asked about that are. The others have ended, or never were, and will not be again."""

    active: list[UUID]


class EmailCheck(Question):
    """Exactly one of `digest` and `digests`, made with the key that `key_id` names. (Versions before this field have
    one key, which they do not name.)"""

    key_id: str | None = None
    digest: EmailDigest | None = None
    digests: list[EmailDigest] | None = Field(default=None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.digest is None) == (self.digests is None):
            raise ValueError("exactly one of digest and digests")
        return self


class EmailAnswer(Contract):
    """One answer per digest, in order. False is certain: no such email is registered."""

    might_exist: list[bool]


class EmailDigests(Contract):
    """The digests of the registered emails under one key, in the order of their users' ids: some of them, as one string
    of 64 hex digits each. `next` is what to ask for after these, None when there are no more.

    Whoever begins to listen to `user.registered.v1` before asking for the first of them misses nobody."""

    digests: Annotated[str, Field(pattern=r"^([0-9a-f]{64})*$")]
    next: UUID | None


class RoomView(Contract):
    """A room as one of its members sees it. `head` is the seq of its newest entry, `unread` counts the messages of
    others after `read_seq`."""

    id: UUID
    kind: RoomKind
    name: str | None
    topic: str | None
    head: Seq
    role: Role | None
    read_seq: Seq
    unread: int
    member_count: int
    created_at: Timestamp


class RoomIds(Contract):
    room_ids: list[UUID]


class CatchUpRequest(Question):
    """`resume` names the last seq seen per room; a room it does not name starts at its head. `limit` bounds the
    entries replayed per room."""

    resume: dict[UUID, Seq] = Field(default_factory=dict)
    limit: int = Field(default=200, ge=1, le=1000)


class CatchUp(Contract):
    """One consistent view of the log: the user's rooms, and per room the entries after the resume point up to `head`.

    Where more than `limit` were missing, only the last `limit` are here: the first one's seq tells of the gap.
    `user` is None while chat_service has not heard of them yet.
    """

    epoch: str
    user: UserView | None
    rooms: list[RoomView]
    entries: dict[UUID, list[RoomEntry]]


class RoomsOfUsersRequest(Question):
    """Which rooms are these users in?"""

    user_ids: list[UUID] = Field(min_length=1, max_length=100)


class RoomsOfUsers(Contract):
    """The ids of their rooms, of each user who is in any."""

    room_ids: dict[UUID, list[UUID]]


class Asker(Question):
    """A user who wants to catch up, from one connection. `resume` is as in `CatchUpRequest`."""

    user_id: UUID
    resume: dict[UUID, Seq] = Field(default_factory=dict)


class CatchUpsRequest(Question):
    """What have all these missed? `limit` is as in `CatchUpRequest`. A user may be named several times."""

    askers: list[Asker] = Field(min_length=1, max_length=100)
    limit: int = Field(default=200, ge=1, le=1000)


class AskerView(Contract):
    """`user` and `rooms` are as in `CatchUp`."""

    user: UserView | None
    rooms: list[RoomView]


class CatchUps(Contract):
    """One consistent view of the log for several askers, in the order in which they asked: for the first at least, and
    for no more of them than whose entries, taken together, are few enough for one answer. The others are to ask again.

    `entries` has, per room, what any of them has missed, once for all: without a hole up to `head`, at most the last
    `limit`. Of the rooms in their own view, and of no others, each is to be given what comes after their own resume
    point: where the first one's seq is beyond the next, it tells of the gap.
    """

    epoch: str
    askers: list[AskerView] = Field(min_length=1)
    entries: dict[UUID, list[RoomEntry]]


class EntriesRequest(Question):
    """`after` names the last seq known per room."""

    after: dict[UUID, Seq] = Field(max_length=1000)
    limit: int = Field(default=200, ge=1, le=1000)


class Entries(Contract):
    """Per room that has any, the first `limit` entries after the seq asked for, oldest first."""

    entries: dict[UUID, list[RoomEntry]]


INTERNAL_HTTP: dict[str, type[Contract]] = {
    "user_view": UserView,
    "active_sessions_request": ActiveSessionsRequest,
    "active_sessions": ActiveSessions,
    "email_check": EmailCheck,
    "email_answer": EmailAnswer,
    "email_digests": EmailDigests,
    "room_ids": RoomIds,
    "catch_up_request": CatchUpRequest,
    "catch_up": CatchUp,
    "rooms_of_users_request": RoomsOfUsersRequest,
    "rooms_of_users": RoomsOfUsers,
    "catch_ups_request": CatchUpsRequest,
    "catch_ups": CatchUps,
    "entries_request": EntriesRequest,
    "entries": Entries,
}
"""The bodies, by the names that their releases have."""
