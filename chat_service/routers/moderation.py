"""`/api/v1/rooms/{id}/bans` and `/mutes`"""

from uuid import UUID

from fastapi import APIRouter

from chat_service.models import Ban, Mute, User
from chat_service.routers.dependencies import Cursor, Limit, UseCases, encode_cursor
from chat_service.schemas import BanPage, MutePage, NewMute, RoomBan, RoomMute
from chat_service.services.access import NotAMember
from common.auth import CurrentUser
from common.database_errors import DatabaseRoute
from common.errors import Forbidden, NotFound, Unavailable
from common.openapi import problems

router = APIRouter(
    route_class=DatabaseRoute,
    prefix="/api/v1/rooms/{room_id}",
    tags=["moderation"],
    responses=problems(NotFound, NotAMember, Forbidden, Unavailable),
)


@router.get("/bans")
async def list_bans(
    room_id: UUID, user: CurrentUser, services: UseCases, cursor: Cursor = None, limit: Limit = 50
) -> BanPage:
    bans, following = await services.moderation.bans(user.user_id, room_id, cursor, limit)
    return BanPage(items=[_ban(*found) for found in bans], next=encode_cursor(following))


@router.put("/bans/{user_id}", status_code=204)
async def ban_user(room_id: UUID, user_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.moderation.ban(user.user_id, room_id, user_id)


@router.delete("/bans/{user_id}", status_code=204)
async def lift_ban(room_id: UUID, user_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.moderation.lift_ban(user.user_id, room_id, user_id)


@router.get("/mutes")
async def list_mutes(
    room_id: UUID, user: CurrentUser, services: UseCases, cursor: Cursor = None, limit: Limit = 50
) -> MutePage:
    mutes, following = await services.moderation.mutes(user.user_id, room_id, cursor, limit)
    return MutePage(items=[_mute(*found) for found in mutes], next=encode_cursor(following))


@router.put("/mutes/{user_id}", status_code=204)
async def mute_member(room_id: UUID, user_id: UUID, body: NewMute, user: CurrentUser, services: UseCases) -> None:
    await services.moderation.mute(user.user_id, room_id, user_id, body.until)


@router.delete("/mutes/{user_id}", status_code=204)
async def lift_mute(room_id: UUID, user_id: UUID, user: CurrentUser, services: UseCases) -> None:
    await services.moderation.lift_mute(user.user_id, room_id, user_id)


def _ban(ban: Ban, user: User) -> RoomBan:
    return RoomBan(
        user_id=user.id,
        username=user.username,
        display_name=user.display_name,
        banned_by=ban.banned_by,
        at=ban.at,
    )


def _mute(mute: Mute, user: User) -> RoomMute:
    return RoomMute(
        user_id=user.id,
        username=user.username,
        display_name=user.display_name,
        muted_by=mute.muted_by,
        until=mute.until,
    )
