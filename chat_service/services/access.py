"""A room, as the one who asks stands to it."""

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Member, Room
from chat_service.rules import Action, refusal
from common.errors import Forbidden, NotFound
from contracts.fields import Role
from contracts.internal_http import RoomView
from contracts.messages import Refusal


class UnknownRoom(NotFound):
    def __init__(self) -> None:
        super().__init__("There is no such room.")


class NotAMember(Forbidden):
    code = Refusal.NOT_A_MEMBER.value

    def __init__(self) -> None:
        super().__init__("You are not a member of this room.")


class Banned(Forbidden):
    code = "banned"

    def __init__(self) -> None:
        super().__init__("This user is banned from this room.")


def refuse(reason: Refusal | None, action: str) -> None:
    """Raises 403 `not_a_member` or `forbidden` if there is a reason to. `action` follows "You may not"."""
    if reason is Refusal.NOT_A_MEMBER:
        raise NotAMember
    if reason is not None:
        raise Forbidden(f"You may not {action}.")


def role_of(member: Member | None) -> Role | None:
    return member.role if member else None


def with_membership(user_id: UUID) -> Select[Room, Member]:
    """Rooms that exist, each with this user's membership, or None."""
    own = (Member.room_id == Room.id) & (Member.user_id == user_id)
    return select(Room, Member).outerjoin(Member, own).where(Room.deleted_at.is_(None))


async def see_room(session: AsyncSession, room_id: UUID, user_id: UUID, action: Action) -> tuple[Room, Member | None]:
    """The room, and the user's membership if they have one. Raises `UnknownRoom`; 403 if they may not do that."""
    found = (await session.execute(with_membership(user_id).where(Room.id == room_id))).one_or_none()
    if found is None:
        raise UnknownRoom
    room, member = found
    refuse(refusal(action, room.kind, role_of(member)), action)
    return room, member


def room_view(room: Room, member: Member | None) -> RoomView:
    """The room as a member sees it, or somebody (None) who isn't one.

    `unread` counts the messages of others after the read mark.
    """
    return RoomView(
        id=room.id,
        kind=room.kind,
        name=room.name,
        topic=room.topic,
        head=room.head,
        role=role_of(member),
        read_seq=member.read_seq if member else 0,
        unread=room.message_count - member.read_count if member else 0,
        member_count=room.member_count,
        created_at=room.created_at,
    )
