"""Rooms: made, shown, changed, deleted."""

import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Ban, Member, Mute, Room
from chat_service.rules import Action, direct_key
from chat_service.services.access import room_view, see_room, with_membership
from chat_service.services.change import RoomChange
from chat_service.services.conflicts import again_on_conflict
from chat_service.services.users import AccountGone, UnknownUser, Users, keep, keep_actor
from common.database import Database
from common.ids import now, uuid7
from common.tokens import Claims
from contracts.entries import RoomUpdated
from contracts.fields import RoomKind
from contracts.internal_http import RoomView

Page = tuple[list[RoomView], UUID | None]
"""Rooms, newest first, and what to give as `before` for those that follow, if any do."""


class Rooms:
    """`committed` is called after each change, to have its entries relayed at once, and `deleted` after a deletion, to
    have what was said erased."""

    def __init__(
        self, database: Database, users: Users, committed: Callable[[], None], deleted: Callable[[], None]
    ) -> None:
        self._database = database
        self._users = users
        self._committed = committed
        self._deleted = deleted

    async def create(self, actor: Claims, kind: RoomKind, name: str, topic: str | None) -> RoomView:
        """Make a room that the actor owns. Raises `AccountGone`."""
        await self._users.introduce(actor)
        async with self._database.write() as session:
            user = await keep_actor(session, actor.user_id)
            room = await _add_room(session, kind, name=name, name_canonical=canonical(name), topic=topic)
            owner = await RoomChange(session, room, user.id).admit(user, "owner")
            await session.commit()
        self._committed()
        return room_view(room, owner)

    async def open_direct(self, actor: Claims, other_id: UUID) -> tuple[RoomView, bool]:
        """The one room of these two, and whether it was made just now.

        Raises `AccountGone`, `UnknownUser`; 503 if it can't be told whether there is such a user.
        """
        await self._users.introduce(actor)
        await self._users.find(other_id)
        view, made = await again_on_conflict(partial(self._open_direct, actor.user_id, other_id))
        if made:
            self._committed()
        return view, made

    async def _open_direct(self, actor_id: UUID, other_id: UUID) -> tuple[RoomView, bool]:
        key = direct_key(actor_id, other_id)
        async with self._database.write() as session:
            users = await keep(session, {actor_id, other_id})
            if actor_id not in users:
                raise AccountGone
            if other_id not in users:
                raise UnknownUser
            existing = (await session.execute(with_membership(actor_id).where(Room.direct_key == key))).one_or_none()
            if existing is not None:
                return room_view(*existing), False
            room = await _add_room(session, "direct", direct_key=key)
            change = RoomChange(session, room, actor_id)
            member = await change.admit(users[actor_id], "member")
            await change.admit(users[other_id], "member")
            await session.commit()
        return room_view(room, member), True

    async def show(self, user_id: UUID, room_id: UUID) -> RoomView:
        """Raises 404, 403."""
        async with self._database.read() as session:
            return room_view(*await see_room(session, room_id, user_id, Action.SEE))

    async def list_mine(self, user_id: UUID, before: UUID | None, limit: int) -> Page:
        return await self._page(with_membership(user_id).where(Member.user_id.is_not(None)), before, limit)

    async def list_public(self, user_id: UUID, sought: str, before: UUID | None, limit: int) -> Page:
        """Those whose name contains what is sought, in whatever case."""
        named_so = Room.name_canonical.contains(canonical(sought), autoescape=True)
        return await self._page(with_membership(user_id).where(Room.kind == "public", named_so), before, limit)

    async def _page(self, query: Select[Room, Member], before: UUID | None, limit: int) -> Page:
        if before is not None:
            query = query.where(Room.id < before)
        async with self._database.read() as session:
            found = (await session.execute(query.order_by(Room.id.desc()).limit(limit + 1))).all()
        views = [room_view(room, member) for room, member in found[:limit]]
        return views, views[-1].id if len(found) > limit else None

    async def update(self, user_id: UUID, room_id: UUID, changes: Mapping[str, Any]) -> RoomView:
        """Change `name`, `topic`, or both. Raises 404, 403."""
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, user_id)
            change.require(Action.UPDATE)
            room = change.room
            name, topic = changes.get("name", room.name), changes.get("topic", room.topic)
            if (name, topic) != (room.name, room.topic):
                room.name, room.name_canonical, room.topic = name, canonical(name), topic
                await change.append(RoomUpdated(name=name, topic=topic, deleted=False))
                await session.commit()
        self._committed()
        return room_view(room, change.member)

    async def delete(self, user_id: UUID, room_id: UUID) -> None:
        """End the room for everybody. Its log stays, without what was said, for those who have yet to hear of the end.

        The texts are hidden from now on, and erased afterwards. (See `room_erasure`.)

        Raises 404, 403.
        """
        async with self._database.write() as session:
            change = await RoomChange.begin(session, room_id, user_id)
            change.require(Action.DELETE)
            for table in (Member, Ban, Mute):
                await session.execute(delete(table).where(table.room_id == room_id))
            room = change.room
            await change.append(RoomUpdated(name=room.name, topic=room.topic, deleted=True))
            room.member_count = 0
            room.deleted_at = now()
            await session.commit()
        self._committed()
        self._deleted()


async def _add_room(session: AsyncSession, kind: RoomKind, **columns: str | None) -> Room:
    room = Room(id=uuid7(), kind=kind, head=0, message_count=0, member_count=0, created_at=now(), **columns)
    session.add(room)
    await session.flush()
    return room


def canonical(name: str) -> str:
    """The form in which names are compared and searched: Unicode NFC, case folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
