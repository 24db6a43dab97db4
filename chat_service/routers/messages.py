"""`/api/v1/rooms/{id}/messages` and `/events`"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic.json_schema import SkipJsonSchema

from chat_service.routers.dependencies import Limit, UseCases
from chat_service.schemas import EventPage, MessagePage, NewMessage, RoomEvent, RoomMessage
from chat_service.services.access import NotAMember
from chat_service.services.messages import Muted, TextTooLong
from common.auth import CurrentUser
from common.database_errors import DatabaseRoute
from common.errors import NotFound, Unavailable
from common.openapi import problems
from contracts.fields import Seq

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/api/v1/rooms/{room_id}",
    tags=["messages"],
    responses=problems(NotFound, NotAMember, Unavailable),
)

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


@router.post(
    "/messages",
    status_code=201,
    responses=problems(NotAMember, Muted, TextTooLong)
    | {200: {"model": RoomMessage, "description": "A repeat: the message that was posted before"}},
)
async def post_message(
    room_id: UUID, body: NewMessage, key: IdempotencyKey, user: CurrentUser, services: UseCases, response: Response
) -> RoomMessage:
    message, posted = await services.messages.post(user.user_id, room_id, key, body.text, body.reply_to)
    response.status_code = 201 if posted else 200
    return message


@router.get("/messages")
async def list_messages(
    room_id: UUID, user: CurrentUser, services: UseCases, before: Seq | SkipJsonSchema[None] = None, limit: Limit = 50
) -> MessagePage:
    messages, following = await services.messages.page(user.user_id, room_id, before, limit)
    return MessagePage(items=messages, next=following)


@router.get("/events")
async def list_events(
    room_id: UUID,
    user: CurrentUser,
    services: UseCases,
    after: Seq = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EventPage:
    entries, head = await services.logs.page(user.user_id, room_id, after, limit)
    return EventPage(items=[RoomEvent.model_validate(entry) for entry in entries], head=head)
