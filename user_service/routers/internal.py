"""`/internal/v1`: for the other services."""

from uuid import UUID

from fastapi import APIRouter, Depends

from common.auth import require_service
from common.database_errors import DatabaseRoute
from common.errors import NotFound, Unavailable
from common.openapi import problems
from contracts.internal_http import ActiveSessions, ActiveSessionsRequest, UserView
from user_service.routers.dependencies import UseCases

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/internal/v1",
    tags=["internal"],
    dependencies=[Depends(require_service)],
    responses=problems(Unavailable),
)


@router.get("/users/{user_id}", responses=problems(NotFound))
async def look_up_user(user_id: UUID, services: UseCases) -> UserView:
    user = await services.directory.find(user_id)
    return UserView(id=user.id, username=user.username, display_name=user.display_name, version=user.version)


@router.post("/sessions/active")
async def list_active_sessions(body: ActiveSessionsRequest, services: UseCases) -> ActiveSessions:
    return ActiveSessions(active=list(await services.sessions.active(body.session_ids)))
