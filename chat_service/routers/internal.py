"""`/internal/v1`: for the other services."""

from uuid import UUID

from fastapi import APIRouter, Depends

from chat_service.routers.dependencies import UseCases
from common.auth import require_service
from common.database_errors import DatabaseRoute
from common.errors import Unavailable
from common.openapi import problems
from contracts.internal_http import CatchUp, CatchUpRequest, Entries, EntriesRequest, RoomIds

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/internal/v1",
    tags=["internal"],
    dependencies=[Depends(require_service)],
    responses=problems(Unavailable),
)


@router.get("/users/{user_id}/rooms")
async def list_room_ids(user_id: UUID, services: UseCases) -> RoomIds:
    return RoomIds(room_ids=await services.logs.room_ids(user_id))


@router.post("/users/{user_id}/catch_up")
async def catch_up(user_id: UUID, body: CatchUpRequest, services: UseCases) -> CatchUp:
    return await services.logs.catch_up(user_id, body.resume, body.limit)


@router.post("/rooms/entries")
async def list_entries(body: EntriesRequest, services: UseCases) -> Entries:
    return Entries(entries=await services.logs.after(body.after, body.limit))
