"""Bans and mutes: set and lifted by those of a higher rank, and listed for them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from chat_service.models import Ban, Member, Mute, User
from chat_service.rules import Action, refusal_against
from chat_service.services.access import refuse, role_of, see_room
from chat_service.services.change import RoomChange
from chat_service.services.users import UnknownUser, Users, keep
from common.database import Database
from common.errors import NotFound
from common.ids import now
from contracts.entries import MemberRemoved


class Moderation:
    """`committed` is called after each change of a log, to have its entries relayed at once."""

    def __init__(self, database: Database, users: Users, committed: Callable[[], None]) -> None:
        self._database = database
        self._users = users
        self._committed = committed

    async def ban(self, actor_id: UUID, room_id: UUID, user_id: UUID) -> None:
        """Keep somebody out, and remove them if they are a member. Who is banned already stays as they are.

        Raises 404, also `UnknownUser`; 403; 503 if it can't be told whether there is such a user.
        """
        async with self._database.read() as session:
            await see_room(session, room_id, actor_id, Action.BAN)
        await self._users.find(user_id)
        async with self._database.write() as session:
            users = await keep(session, [user_id])
            change = await RoomChange.begin(session, room_id, actor_id)
            member = await session.get(Member, (room_id, user_id))
            refused = refusal_against(Action.BAN, change.room.kind, role_of(change.member), role_of(member))
            refuse(refused, "ban this user")
            if user_id not in users:
                raise UnknownUser
            if member is not None:
                await change.dismiss(member, MemberRemoved)
            if await session.get(Ban, (room_id, user_id)) is None:
                session.add(Ban(room_id=room_id, user_id=user_id, banned_by=actor_id, at=now()))
            await session.commit()
        self._committed()

    async def lift_ban(self, actor_id: UUID, room_id: UUID, user_id: UUID) -> None:
        """Raises 404 for the room, 403. Who isn't banned stays so."""
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, actor_id)
            change.require(Action.BAN)
            await session.execute(delete(Ban).where(Ban.room_id == room_id, Ban.user_id == user_id))
            await session.commit()

    async def bans(
        self, actor_id: UUID, room_id: UUID, after: UUID | None, limit: int
    ) -> tuple[Sequence[tuple[Ban, User]], UUID | None]:
        """Up to `limit` bans in the order of their users' ids, and what to give as `after` for those that follow, if
        any do. Raises 404, 403."""
        query = select(Ban, User).join(User, User.id == Ban.user_id).where(Ban.room_id == room_id)
        if after is not None:
            query = query.where(Ban.user_id > after)
        async with self._database.read() as session:
            await see_room(session, room_id, actor_id, Action.BAN)
            found = (await session.execute(query.order_by(Ban.user_id).limit(limit + 1))).all()
        page = found[:limit]
        return page, page[-1][1].id if len(found) > limit else None

    async def mute(self, actor_id: UUID, room_id: UUID, user_id: UUID, until: datetime) -> None:
        """Keep a member from saying anything until then, instead of until whenever it was.

        Raises 404, also for somebody who is no member; 403.
        """
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, actor_id)
            change.require(Action.MUTE)
            member = await session.get(Member, (room_id, user_id))
            if member is None:
                raise NotFound("There is no such member.")
            refused = refusal_against(Action.MUTE, change.room.kind, role_of(change.member), member.role)
            refuse(refused, "mute this member")
            await change.unmute(user_id)
            await session.execute(delete(Mute).where(Mute.room_id == room_id, Mute.until <= now()))
            session.add(Mute(room_id=room_id, user_id=user_id, until=until, muted_by=actor_id))
            await session.commit()

    async def lift_mute(self, actor_id: UUID, room_id: UUID, user_id: UUID) -> None:
        """Raises 404 for the room, 403. Who isn't muted stays so, and who has left can be forgiven as well."""
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, actor_id)
            member = await session.get(Member, (room_id, user_id))
            refused = refusal_against(Action.MUTE, change.room.kind, role_of(change.member), role_of(member))
            refuse(refused, "unmute this user")
            await change.unmute(user_id)
            await session.commit()

    async def mutes(
        self, actor_id: UUID, room_id: UUID, after: UUID | None, limit: int
    ) -> tuple[Sequence[tuple[Mute, User]], UUID | None]:
        """As `bans`: those mutes that have not expired, also of users who have left."""
        query = (
            select(Mute, User).join(User, User.id == Mute.user_id).where(Mute.room_id == room_id, Mute.until > now())
        )
        if after is not None:
            query = query.where(Mute.user_id > after)
        async with self._database.read() as session:
            await see_room(session, room_id, actor_id, Action.MUTE)
            found = (await session.execute(query.order_by(Mute.user_id).limit(limit + 1))).all()
        page = found[:limit]
        return page, page[-1][1].id if len(found) > limit else None
