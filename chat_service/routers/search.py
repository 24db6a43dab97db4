"""`/api/v1/search`"""

import base64
import struct
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import StringConstraints
from pydantic.json_schema import SkipJsonSchema

from chat_service.routers.dependencies import Limit, UseCases
from chat_service.schemas import SearchPage
from chat_service.services.access import NotAMember
from chat_service.services.search import MAX_MATCHES, MAX_WORDS, Rank
from chat_service.words import SHORTEST_BEGINNING
from common.auth import CurrentUser
from common.database_errors import DatabaseRoute
from common.errors import NotFound, Unavailable
from common.openapi import problems
from common.text import Text

router = APIRouter(
    route_class=DatabaseRoute, prefix="/api/v1/search", tags=["messages"], responses=problems(Unavailable)
)

_CURSOR = struct.Struct(">H16s")

SoughtWords = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=200),
    Query(
        description=(
            "Words: runs of letters and digits, in whatever case and with whatever accents. All of them have to be in"
            " a message, in any order; the last may be the beginning of a word, if it has at least"
            f" {SHORTEST_BEGINNING} characters. Whatever else is there separates words and has no meaning; without any"
            f" word nothing is found. Of more than {MAX_WORDS} words the first {MAX_WORDS} count."
        )
    ),
]


SearchCursor = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{24}$")]
"""The `next` of the page before: opaque to clients."""


def decode_cursor(cursor: SearchCursor | None) -> Rank | None:
    if cursor is None:
        return None
    score, message_id = _CURSOR.unpack(base64.urlsafe_b64decode(cursor))
    return Rank(score, UUID(bytes=message_id))


def encode_cursor(last: Rank | None) -> str | None:
    return None if last is None else base64.urlsafe_b64encode(_CURSOR.pack(last.score, last.message_id.bytes)).decode()


@router.get(
    "",
    responses=problems(NotFound, NotAMember),
    description=(
        "Messages of the rooms that one is a member of, or of one of them, best first: those that have the last word"
        " whole, then those that have all words side by side, then those that have them most often, then the newest."
        f" Of more than {MAX_MATCHES:,} the newest {MAX_MATCHES:,} are found."
    ),
)
async def search_messages(
    user: CurrentUser,
    services: UseCases,
    q: SoughtWords,
    room_id: UUID | SkipJsonSchema[None] = None,
    cursor: SearchCursor | SkipJsonSchema[None] = None,
    limit: Limit = 50,
) -> SearchPage:
    messages, following = await services.search.page(user.user_id, q, room_id, decode_cursor(cursor), limit)
    return SearchPage(items=messages, next=encode_cursor(following))
