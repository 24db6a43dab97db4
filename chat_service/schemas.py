"""Bodies of requests and responses."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from common.ids import now
from common.text import RoomName, Text, Topic
from contracts.fields import Role, Seq, Timestamp
from contracts.internal_http import RoomView


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, json_schema_serialization_defaults_required=True)


class NewRoom(Request):
    kind: Literal["public", "private"]
    name: RoomName
    topic: Topic | None = None


class NewDirectRoom(Request):
    user_id: UUID


def _something_without_defaults(schema: dict[str, Any]) -> None:
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        del field["default"]


class RoomUpdate(Request):
    """What is left out stays as it is. A room can be without a topic (null), but not without a name."""

    model_config = ConfigDict(json_schema_extra=_something_without_defaults)

    name: RoomName = ""
    topic: Topic | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("at least one of name and topic")
        return self


class RoomPage(Response):
    """Newest first. `next` is the `cursor` of the page after this one, null on the last."""

    items: list[RoomView]
    next: str | None


class RoleChange(Request):
    role: Literal["member", "admin"]


class RoomMember(Response):
    user_id: UUID
    username: str
    display_name: str
    role: Role
    joined_at: Timestamp
    muted_until: Timestamp | None


class MemberPage(Response):
    """`next` is the `cursor` of the page after this one, null on the last."""

    items: list[RoomMember]
    next: str | None


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc3339(time: object) -> object:
    # the framework takes numbers as well
    if not isinstance(time, str) or not _RFC3339.fullmatch(time):
        raise ValueError("not an RFC 3339 time")
    return time


def _to_come(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None
    if moment <= now():
        raise ValueError("not in the future")
    return moment


class NewMute(Request):
    until: Annotated[
        Timestamp, BeforeValidator(_rfc3339), AfterValidator(_to_come), Field(description="A time in the future.")
    ]


class RoomBan(Response):
    user_id: UUID
    username: str
    display_name: str
    banned_by: UUID
    at: Timestamp


class BanPage(Response):
    """`next` is the `cursor` of the page after this one, null on the last."""

    items: list[RoomBan]
    next: str | None


class RoomMute(Response):
    user_id: UUID
    username: str
    display_name: str
    muted_by: UUID
    until: Timestamp


class MutePage(Response):
    """`next` is the `cursor` of the page after this one, null on the last."""

    items: list[RoomMute]
    next: str | None


class NewMessage(Request):
    """`text` is measured where it is posted, so that a long one is answered `too_long`."""

    text: Annotated[Text, StringConstraints(min_length=1)]
    reply_to: UUID | None = None


class Sender(Response):
    """Who sent a message, by the names of now."""

    id: UUID
    username: str
    display_name: str


class RoomMessage(Response):
    """A deleted user's messages stay, and show the names that all deleted users have."""

    id: UUID
    room_id: UUID
    seq: Seq
    sender_id: UUID
    sender: Sender
    text: str
    reply_to: UUID | None
    at: Timestamp
    edited_at: Timestamp | None
    deleted: bool
    reactions: dict[str, list[UUID]] = Field(default_factory=dict)


class MessagePage(Response):
    """Newest first. `next` is the `before` of the page after this one, null on the last."""

    items: list[RoomMessage]
    next: Seq | None


class SearchPage(Response):
    """Best first. `next` is the `cursor` of the page after this one, null on the last."""

    items: list[RoomMessage]
    next: str | None


class RoomEvent(Response):
    """One entry of a room's log. `data` is by `kind`: see AsyncAPI. Pass over kinds that you do not know."""

    room_id: UUID
    seq: Seq
    kind: str
    actor_id: UUID
    id: UUID
    at: Timestamp
    data: dict[str, Any]


class EventPage(Response):
    """In seq order. `head` is the seq of the newest event that there is."""

    items: list[RoomEvent]
    head: Seq
