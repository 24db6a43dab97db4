"""What has happened in rooms: for those who page through a log, and for gateways that catch up."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import room_entry
from chat_service.models import Entry, LogEpoch, Member, User
from chat_service.rules import Action
from chat_service.services.access import room_view, see_room, with_membership
from chat_service.services.room_erasure import hide_texts
from chat_service.services.rows import ManyRows
from common.database import Database
from contracts.internal_http import CatchUp, UserView
from contracts.messages import RoomEntry

_ENTRIES = ManyRows(
    {"room_id": Uuid(), "after": BigInteger(), "last": BigInteger()},
    lambda wanted: (
        select(Entry)
        .join(
            wanted,
            (Entry.room_id == wanted.c.room_id) & (Entry.seq > wanted.c.after) & (Entry.seq <= wanted.c.last),
        )
        .order_by(Entry.room_id, Entry.seq)
    ),
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

    async def room_ids(self, user_id: UUID) -> list[UUID]:
        async with self._database.read() as session:
            return list(await session.scalars(select(Member.room_id).where(Member.user_id == user_id)))

    async def catch_up(self, user_id: UUID, resume: Mapping[UUID, int], limit: int) -> CatchUp:
        """See `contracts.internal_http.CatchUp`."""
        async with self._database.read() as session:
            epoch = (await session.scalars(select(LogEpoch.epoch))).one()
            user = await session.get(User, user_id)
            found = await session.execute(with_membership(user_id).where(Member.user_id.is_not(None)))
            rooms = [room_view(room, member) for room, member in found]
            missed = {
                room.id: (max(resume[room.id], room.head - limit), room.head) for room in rooms if room.id in resume
            }
            entries = await _entries(session, missed)
        known = user is not None and not user.deleted
        return CatchUp(
            epoch=epoch,
            user=UserView.model_validate(user, from_attributes=True) if known else None,
            rooms=rooms,
            entries=entries,
        )

    async def after(self, seqs: Mapping[UUID, int], limit: int) -> dict[UUID, list[RoomEntry]]:
        """See `contracts.internal_http.Entries`. The logs of deleted rooms are still told, without texts."""
        async with self._database.read() as session:
            entries = await _entries(session, {room_id: (seq, seq + limit) for room_id, seq in seqs.items()})
            await hide_texts(session, [entry for of_room in entries.values() for entry in of_room])
        return entries


async def _entries(session: AsyncSession, ranges: Mapping[UUID, tuple[int, int]]) -> dict[UUID, list[RoomEntry]]:
    """Per room that has any, the entries with after < seq <= last, in order. Logs being dense, a range of seq is as
    good as a limit."""
    if not ranges:
        return {}
    wanted = [(room_id, *bounds) for room_id, bounds in ranges.items()]
    entries: dict[UUID, list[RoomEntry]] = {}
    for entry in await session.scalars(*_ENTRIES.of(session, wanted)):
        entries.setdefault(entry.room_id, []).append(room_entry(entry))
    return entries
