"""`/internal/v1`: for the other services."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from common.auth import require_service
from common.database_errors import DatabaseRoute
from common.errors import NotFound, Unavailable
from common.openapi import problems
from contracts.internal_http import ActiveSessions, ActiveSessionsRequest, EmailDigests, UserView
from user_service.routers.dependencies import UseCases
from user_service.services.digest_export import BEFORE_ALL, UnknownKey

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


@router.get("/emails/digests", response_model=EmailDigests, responses=problems(UnknownKey))
async def export_email_digests(
    key_id: str,
    services: UseCases,
    after: UUID = BEFORE_ALL,
    limit: Annotated[int, Query(ge=1, le=50_000)] = 10_000,
) -> Response:
    page = await services.digest_export.page(key_id, after, limit)
    # as it is: the framework would make it anew to check it, and there may be much of it
    return Response(page.model_dump_json(), media_type="application/json")
