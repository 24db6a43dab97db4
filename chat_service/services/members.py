"""Members: listed, joining and leaving, added, promoted, removed."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select

from chat_service.models import Member, Mute, User
from chat_service.rules import Action, joining_role, refusal_against, refusal_of_role
from chat_service.services.access import NotAMember, refuse, role_of, room_view, see_room
from chat_service.services.change import RoomChange
from chat_service.services.users import UnknownUser, Users, keep, keep_actor
from common.database import Database
from common.errors import NotFound
from common.ids import now
from common.tokens import Claims
from contracts.entries import MemberLeft, MemberRemoved
from contracts.fields import Role
from contracts.internal_http import RoomView

Listed = tuple[Member, User, datetime | None]
"""A member, and until when they are muted if they are."""


class Members:
    """`committed` is called after each change, to have its entries relayed at once."""

    def __init__(self, database: Database, users: Users, committed: Callable[[], None]) -> None:
        self._database = database
        self._users = users
        self._committed = committed

    async def page(
        self, user_id: UUID, room_id: UUID, after: UUID | None, limit: int
    ) -> tuple[Sequence[Listed], UUID | None]:
        """Up to `limit` members in the order of their ids, and what to give as `after` for those that follow, if any
        do. Raises 404, 403."""
        query = _listed(room_id)
        if after is not None:
            query = query.where(Member.user_id > after)
        async with self._database.read() as session:
            await see_room(session, room_id, user_id, Action.READ)
            found = (await session.execute(query.order_by(Member.user_id).limit(limit + 1))).all()
        page = found[:limit]
        return page, page[-1][1].id if len(found) > limit else None

    async def join(self, actor: Claims, room_id: UUID) -> RoomView:
        """Raises 404, 403, also `Banned`; `AccountGone`. Who is a member already stays as they are."""
        await self._users.introduce(actor)
        async with self._database.write() as session:
            user = await keep_actor(session, actor.user_id)
            change = await RoomChange.begin(session, room_id, user.id)
            member = change.member
            if member is None:
                change.require(Action.JOIN)
                member = await change.admit(user, joining_role(change.room.member_count))
                await session.commit()
        self._committed()
        return room_view(change.room, member)

    async def leave(self, user_id: UUID, room_id: UUID) -> None:
        """Raises 404, 403."""
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, user_id)
            if change.member is None:
                raise NotAMember
            change.require(Action.LEAVE)
            await change.dismiss(change.member, MemberLeft)
            await session.commit()
        self._committed()

    async def set_role(self, actor_id: UUID, room_id: UUID, user_id: UUID, role: Role) -> Listed:
        """Make somebody a member or an admin, whatever they were.

        Raises 404, also `UnknownUser`; 403, also `Banned`; 503 if it can't be told whether there is such a user.
        """
        async with self._database.read() as session:
            await see_room(session, room_id, actor_id, Action.ADD_MEMBER)
        await self._users.find(user_id)
        async with self._database.write() as session:
            users = await keep(session, [user_id])
            change = await RoomChange.begin(session, room_id, actor_id)
            member = await session.get(Member, (room_id, user_id))
            refused = refusal_of_role(change.room.kind, role_of(change.member), role_of(member), role)
            refuse(refused, "give this role to this user")
            if user_id not in users:
                raise UnknownUser
            if member is None:
                await change.admit(users[user_id], role)
            elif member.role != role:
                await change.appoint(member, role)
            await session.flush()
            listed = (await session.execute(_listed(room_id).where(Member.user_id == user_id))).one()
            await session.commit()
        self._committed()
        return listed

    async def remove(self, actor_id: UUID, room_id: UUID, user_id: UUID) -> None:
        """Raises 404, also for somebody who is no member; 403."""
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, actor_id)
            change.require(Action.REMOVE_MEMBER)
            member = await session.get(Member, (room_id, user_id))
            if member is None:
                raise NotFound("There is no such member.")
            refused = refusal_against(Action.REMOVE_MEMBER, change.room.kind, role_of(change.member), member.role)
            refuse(refused, "remove this member")
            await change.dismiss(member, MemberRemoved)
            await session.commit()
        self._committed()


def _listed(room_id: UUID) -> Select[Member, User, datetime | None]:
    muted = (Mute.room_id == Member.room_id) & (Mute.user_id == Member.user_id) & (Mute.until > now())
    return (
        select(Member, User, Mute.until)
        .join(User, User.id == Member.user_id)
        .outerjoin(Mute, muted)
        .where(Member.room_id == room_id)
    )
