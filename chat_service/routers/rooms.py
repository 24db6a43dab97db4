"""`/api/v1/rooms`"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from chat_service.routers.dependencies import Cursor, Limit, UseCases, encode_cursor
from chat_service.schemas import NewDirectRoom, NewRoom, RoomPage, RoomUpdate
from common.auth import CurrentUser
from common.database_errors import DatabaseRoute
from common.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from common.openapi import problems
from common.text import Text
from contracts.internal_http import RoomView

router = APIRouter(route_class=DatabaseRoute, prefix="/api/v1/rooms", tags=["rooms"], responses=problems(Unavailable))

Sought = Annotated[Text, StringConstraints(max_length=100)]


@router.post("", status_code=201)
async def create_room(body: NewRoom, user: CurrentUser, services: UseCases) -> RoomView:
    return await services.rooms.create(user, body.kind, body.name, body.topic)


@router.post(
    "/direct",
    status_code=201,
    responses=problems(NotFound) | {200: {"model": RoomView, "description": "The room that these two have already"}},
)
async def open_direct_room(body: NewDirectRoom, user: CurrentUser, services: UseCases, response: Response) -> RoomView:
    if body.user_id == user.user_id:
        raise InvalidRequest((("body", "user_id"), "must be somebody else"))
    room, made = await services.rooms.open_direct(user, body.user_id)
    response.status_code = 201 if made else 200
    return room


@router.get("")
async def list_my_rooms(user: CurrentUser, services: UseCases, cursor: Cursor = None, limit: Limit = 50) -> RoomPage:
    rooms, following = await services.rooms.list_mine(user.user_id, cursor, limit)
    return RoomPage(items=rooms, next=encode_cursor(following))


@router.get("/public")
async def list_public_rooms(
    user: CurrentUser, services: UseCases, q: Sought = "", cursor: Cursor = None, limit: Limit = 50
) -> RoomPage:
    rooms, following = await services.rooms.list_public(user.user_id, q, cursor, limit)
    return RoomPage(items=rooms, next=encode_cursor(following))


@router.get("/{room_id}", responses=problems(NotFound, Forbidden))
async def show_room(room_id: UUID, user: CurrentUser, services: UseCases) -> RoomView:
    return await services.rooms.show(user.user_id, room_id)


@router.patch("/{room_id}", responses=problems(NotFound, Forbidden))
async def update_room(room_id: UUID, body: RoomUpdate, user: CurrentUser, services: UseCases) -> RoomView:
    return await services.rooms.update(user.user_id, room_id, body.model_dump(exclude_unset=True))


@router.delete("/{room_id}", status_code=204, responses=problems(NotFound, Forbidden))
async def delete_room(room_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.rooms.delete(user.user_id, room_id)
