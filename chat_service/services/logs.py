"""What has happened in rooms: for those who page through a log, and for gateways that catch up."""

from collections.abc import Mapping, Sequence, Set
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import room_entry
from chat_service.models import Entry, LogEpoch, Member, Room, User
from chat_service.rules import Action
from chat_service.services.access import room_view, see_room
from chat_service.services.room_erasure import hide_texts
from chat_service.services.rows import ManyRows, each
from common.database import Database
from contracts.internal_http import Asker, AskerView, CatchUps, RoomView, UserView
from contracts.messages import RoomEntry

_MOST_ENTRIES = 2_000
"""In an answer to several askers. With the longest texts it then has 16 million characters."""

_ID = {"id": Uuid()}

_USERS = ManyRows(
    lambda users: select(User).join(users, User.id == users.c.id).where(User.deleted.is_(False)), users=_ID
)
_ROOM_IDS = ManyRows(
    lambda users: select(Member.user_id, Member.room_id).join(users, Member.user_id == users.c.id), users=_ID
)
_ROOMS = ManyRows(
    lambda users: (
        select(Room, Member)
        .join(Member, Member.room_id == Room.id)
        .join(users, Member.user_id == users.c.id)
        .where(Room.deleted_at.is_(None))
    ),
    users=_ID,
)
_ENTRIES = ManyRows(
    lambda wanted: (
        # columns, as there may be many
        select(*Entry.__table__.columns)
        .join(
            wanted,
            (Entry.room_id == wanted.c.room_id) & (Entry.seq > wanted.c.after) & (Entry.seq <= wanted.c.last),
        )
        .order_by(Entry.room_id, Entry.seq)
    ),
    wanted={"room_id": Uuid(), "after": BigInteger(), "last": BigInteger()},
)


class Logs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: UUID, room_id: UUID, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        """Up to `limit` entries after a seq, and the seq of the newest one that there is. Raises 404, 403."""
        async with self._database.read() as session:
            room, _ = await see_room(session, room_id, user_id, Action.READ)
            query = select(Entry).where(Entry.room_id == room_id, Entry.seq > after).order_by(Entry.seq).limit(limit)
            return (await session.scalars(query)).all(), room.head

    async def room_ids(self, user_ids: Set[UUID]) -> dict[UUID, list[UUID]]:
        """Of the rooms of each of the users who is in any."""
        found: dict[UUID, list[UUID]] = {}
        async with self._database.read() as session:
            for user_id, room_id in await session.execute(*_ROOM_IDS.of(session, users=each(user_ids))):
                found.setdefault(user_id, []).append(room_id)
        return found

    async def catch_up(self, askers: Sequence[Asker], limit: int) -> CatchUps:
        """See `contracts.internal_http.CatchUps`."""
        user_ids = {asker.user_id for asker in askers}
        async with self._database.read() as session:
            epoch = (await session.scalars(select(LogEpoch.epoch))).one()
            users = await _users(session, user_ids)
            rooms = await _rooms(session, user_ids)
            served, missed = _fitting(askers, rooms, limit)
            entries = await _entries(session, missed)
        views = [AskerView(user=users.get(asker.user_id), rooms=rooms[asker.user_id]) for asker in served]
        return CatchUps(epoch=epoch, askers=views, entries=entries)

    async def after(self, seqs: Mapping[UUID, int], limit: int) -> dict[UUID, list[RoomEntry]]:
        """See `contracts.internal_http.Entries`. The logs of deleted rooms are still told, without texts."""
        async with self._database.read() as session:
            entries = await _entries(session, {room_id: (seq, seq + limit) for room_id, seq in seqs.items()})
            await hide_texts(session, [entry for of_room in entries.values() for entry in of_room])
        return entries


def _fitting(
    askers: Sequence[Asker], rooms: Mapping[UUID, Sequence[RoomView]], limit: int
) -> tuple[Sequence[Asker], dict[UUID, tuple[int, int]]]:
    """Those of the askers, from the first on, whose entries one answer can have; and per room that any of these has
    missed something in, after which seq that begins, and the head."""
    ranges: dict[UUID, tuple[int, int]] = {}
    size = 0
    for number, asker in enumerate(askers):
        wider: dict[UUID, tuple[int, int]] = {}
        for room in rooms[asker.user_id]:
            if room.id in asker.resume:
                begin, _ = ranges.get(room.id, (room.head, room.head))
                after = max(asker.resume[room.id], room.head - limit)
                if after < begin:
                    wider[room.id] = after, room.head
                    size += begin - after
        if size > _MOST_ENTRIES and number > 0:
            return askers[:number], ranges
        ranges |= wider
    return askers, ranges


async def _users(session: AsyncSession, user_ids: Set[UUID]) -> dict[UUID, UserView]:
    """Those who are known and not gone."""
    found = await session.scalars(*_USERS.of(session, users=each(user_ids)))
    return {user.id: UserView.model_validate(user, from_attributes=True) for user in found}


async def _rooms(session: AsyncSession, user_ids: Set[UUID]) -> dict[UUID, list[RoomView]]:
    """Each user's rooms, as they see them."""
    views: dict[UUID, list[RoomView]] = {user_id: [] for user_id in user_ids}
    for room, member in await session.execute(*_ROOMS.of(session, users=each(user_ids))):
        views[member.user_id].append(room_view(room, member))
    return views


async def _entries(session: AsyncSession, ranges: Mapping[UUID, tuple[int, int]]) -> dict[UUID, list[RoomEntry]]:
    """Per room that has any, the entries with after < seq <= last, in order. Logs being dense, a range of seq is as
    good as a limit."""
    if not ranges:
        return {}
    wanted = [(room_id, *bounds) for room_id, bounds in ranges.items()]
    entries: dict[UUID, list[RoomEntry]] = {}
    for entry in await session.execute(*_ENTRIES.of(session, wanted=wanted)):
        entries.setdefault(entry.room_id, []).append(room_entry(entry))
    return entries
