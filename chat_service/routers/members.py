"""`/api/v1/rooms/{id}/members`, and joining and leaving."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter

from chat_service.models import Member, User
from chat_service.routers.dependencies import Cursor, Limit, UseCases, encode_cursor
from chat_service.schemas import MemberPage, RoleChange, RoomMember
from chat_service.services.access import Banned, NotAMember
from common.auth import CurrentUser
from common.database_errors import DatabaseRoute
from common.errors import Forbidden, NotFound, Unavailable
from common.openapi import Responses, problems
from contracts.internal_http import RoomView

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/api/v1/rooms/{room_id}",
    tags=["members"],
    responses=problems(NotFound, Unavailable),
)


@router.post("/join", responses=problems(Forbidden, Banned))
async def join_room(room_id: UUID, user: CurrentUser, services: UseCases) -> RoomView:
    return await services.members.join(user, room_id)


@router.post("/leave", status_code=204, responses=problems(NotAMember, Forbidden))
async def leave_room(room_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.members.leave(user.user_id, room_id)


_A_MEMBER = {"room_id": "$request.path.room_id", "user_id": "$response.body#/items/0/user_id"}
_MEMBERS: Responses = {
    200: {
        "links": {
            "set_role": {"operationId": "set_role", "parameters": _A_MEMBER},
            "remove_member": {"operationId": "remove_member", "parameters": _A_MEMBER},
            "ban_user": {"operationId": "ban_user", "parameters": _A_MEMBER},
            "mute_member": {"operationId": "mute_member", "parameters": _A_MEMBER},
        }
    }
}


@router.get("/members", responses=_MEMBERS | problems(NotAMember))
async def list_members(
    room_id: UUID, user: CurrentUser, services: UseCases, cursor: Cursor = None, limit: Limit = 50
) -> MemberPage:
    members, following = await services.members.page(user.user_id, room_id, cursor, limit)
    return MemberPage(items=[_shown(*found) for found in members], next=encode_cursor(following))


@router.put("/members/{user_id}", responses=problems(NotAMember, Forbidden, Banned))
async def set_role(room_id: UUID, user_id: UUID, body: RoleChange, user: CurrentUser, services: UseCases) -> RoomMember:
    return _shown(*await services.members.set_role(user.user_id, room_id, user_id, body.role))


@router.delete("/members/{user_id}", status_code=204, responses=problems(NotAMember, Forbidden))
async def remove_member(room_id: UUID, user_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.members.remove(user.user_id, room_id, user_id)


def _shown(member: Member, user: User, muted_until: datetime | None) -> RoomMember:
    return RoomMember(
        user_id=user.id,
        username=user.username,
        display_name=user.display_name,
        role=member.role,
        joined_at=member.joined_at,
        muted_until=muted_until,
    )
