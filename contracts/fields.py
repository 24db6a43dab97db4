"""Field types shared by every contract."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


@lru_cache(maxsize=1024)  # of one entry it is written several times: log, bus, frame, ack
def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`: the one form in which a time leaves Parley."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A position in a room's log: the first entry has 1, and 0 stands before it. Safe in a JavaScript number."""

EmailDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""Hex HMAC-SHA256 of a canonical email address."""

RoomKind = Literal["public", "private", "direct"]
Role = Literal["owner", "admin", "member"]


class Contract(BaseModel):
    """A frozen piece of data that crosses from one process to another.

    Writers are strict: a field that is not declared is an error. Readers pass over what they do not know, so that
    writers may gain fields: they validate with `extra="ignore"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
