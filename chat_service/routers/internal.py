"""`/internal/v1`: for the other services."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from chat_service.routers.dependencies import UseCases
from common.auth import require_service
from common.database_errors import DatabaseRoute
from common.errors import Unavailable
from common.openapi import problems
from contracts.internal_http import (
    Asker,
    CatchUp,
    CatchUpRequest,
    CatchUps,
    CatchUpsRequest,
    Entries,
    EntriesRequest,
    RoomIds,
    RoomsOfUsers,
    RoomsOfUsersRequest,
)

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/internal/v1",
    tags=["internal"],
    dependencies=[Depends(require_service)],
    responses=problems(Unavailable),
)


@router.post("/users/rooms")
async def list_room_ids_of_users(body: RoomsOfUsersRequest, services: UseCases) -> RoomsOfUsers:
    return RoomsOfUsers(room_ids=await services.logs.room_ids(set(body.user_ids)))


@router.post("/users/catch_up", response_model=CatchUps)
async def catch_up_users(body: CatchUpsRequest, services: UseCases) -> Response:
    caught_up = await services.logs.catch_up(body.askers, body.limit)
    # as it is: the framework would make it anew to check it, and there may be much of it
    return Response(caught_up.model_dump_json(), media_type="application/json")


@router.get("/users/{user_id}/rooms")
async def list_room_ids(user_id: UUID, services: UseCases) -> RoomIds:
    """For older gateways."""
    return RoomIds(room_ids=(await services.logs.room_ids({user_id})).get(user_id, []))


@router.post("/users/{user_id}/catch_up")
async def catch_up(user_id: UUID, body: CatchUpRequest, services: UseCases) -> CatchUp:
    """For older gateways."""
    caught_up = await services.logs.catch_up([Asker(user_id=user_id, resume=body.resume)], body.limit)
    (own,) = caught_up.askers
    return CatchUp(epoch=caught_up.epoch, user=own.user, rooms=own.rooms, entries=caught_up.entries)


@router.post("/rooms/entries")
async def list_entries(body: EntriesRequest, services: UseCases) -> Entries:
    return Entries(entries=await services.logs.after(body.after, body.limit))
