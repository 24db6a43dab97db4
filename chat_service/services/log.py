"""A room's log. Here alone entries are made, and their seq allotted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Select, Uuid, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Edit, Entry, Joining, Room
from chat_service.services.access import UnknownRoom
from chat_service.services.rows import ManyRows, each
from common.ids import now, uuid7
from contracts.entries import (
    DELETED_DISPLAY_NAME,
    DELETED_USERNAME,
    EntryData,
    MemberJoined,
    MessageEdited,
    MessagePosted,
)
from contracts.fields import RoomKind
from contracts.messages import RoomEntry

_CHUNK = 1_000


def _locking(what: Select[*tuple[Any, ...]]) -> ManyRows[Select[*tuple[Any, ...]]]:
    return ManyRows(
        lambda wanted: (
            what.join(wanted, Room.id == wanted.c.id)
            .where(Room.deleted_at.is_(None))
            .order_by(Room.id)
            .with_for_update(of=Room)
        ),
        wanted={"id": Uuid()},
    )


_LOCK = _locking(select(Room))
_LOCK_LOGS = _locking(select(Room.id, Room.kind, Room.head, Room.message_count))
_STORE = insert(Entry)


@dataclass(slots=True)
class Log:
    """What of a locked room its log and those who speak in it need. The caller stores what changes."""

    id: UUID
    kind: RoomKind
    head: int
    message_count: int


async def lock_rooms(session: AsyncSession, room_ids: Collection[UUID]) -> dict[UUID, Room]:
    """Those of the rooms that exist, kept from everybody else until the transaction ends.

    Whoever needs several takes them in one call: they are locked in the order of their ids, so nobody waits in a ring.
    """
    return {room.id: room for room in await session.scalars(*_LOCK.of(session, wanted=each(room_ids)))}


async def lock_logs(session: AsyncSession, room_ids: Collection[UUID]) -> dict[UUID, Log]:
    """The same rooms, locked in the same way, for who needs no more of them."""
    connection = await session.connection()
    found = await connection.execute(*_LOCK_LOGS.of(session, wanted=each(room_ids)))
    return {values[0]: Log(*values) for values in found}


async def lock_room(session: AsyncSession, room_id: UUID) -> Room:
    """Raises `UnknownRoom`."""
    rooms = await lock_rooms(session, [room_id])
    if room_id not in rooms:
        raise UnknownRoom
    return rooms[room_id]


def append(
    room: Room | Log,
    actor_id: UUID,
    data: EntryData,
    *,
    id: UUID | None = None,
    command_id: UUID | None = None,
    origin: int | None = None,
) -> RoomEntry:
    """The next entry of a room that the caller has locked, or just made. It has to be stored in the same transaction,
    as has the room."""
    room.head += 1
    return RoomEntry(
        room_id=room.id,
        seq=room.head,
        kind=data.kind,
        actor_id=actor_id,
        id=id or uuid7(),
        at=now(),
        data=data.model_dump(mode="json"),
        command_id=command_id,
        origin=origin,
    )


async def erase(session: AsyncSession, emptied: Mapping[tuple[UUID, int], EntryData]) -> None:
    """Replace what entries, by room and seq, say."""
    statement = (
        update(Entry)
        .where(
            Entry.room_id == bindparam("in_room", type_=Uuid()),
            Entry.seq == bindparam("at_seq", type_=BigInteger()),
        )
        .values(data=bindparam("emptied", type_=JSON()))
    )
    places = [
        {"in_room": room_id, "at_seq": seq, "emptied": data.model_dump(mode="json")}
        for (room_id, seq), data in emptied.items()
    ]
    connection = await session.connection()
    for start in range(0, len(places), _CHUNK):
        await connection.execute(statement, places[start : start + _CHUNK])


async def erase_texts(session: AsyncSession, messages: Sequence[tuple[UUID, UUID, int, UUID | None]]) -> None:
    """Take what messages say, and said before they were edited, out of the log. Of each: its id, room, seq, and what it
    replies to."""
    rooms = {message_id: room_id for message_id, room_id, _, _ in messages}
    emptied: dict[tuple[UUID, int], EntryData] = {
        (room_id, seq): MessagePosted(message_id=message_id, text=None, reply_to=reply_to)
        for message_id, room_id, seq, reply_to in messages
    }
    edits = await session.execute(select(Edit.message_id, Edit.seq).where(Edit.message_id.in_(rooms)))
    for message_id, seq in edits:
        emptied[rooms[message_id], seq] = MessageEdited(message_id=message_id, text=None)
    await erase(session, emptied)


async def erase_names(session: AsyncSession, user_id: UUID) -> bool:
    """Take a deleted user's names out of the logs of rooms that they ever joined, deleted ones too: of some at a time.
    Says whether there were any, and so may be more.

    No room has to be locked: these entries are changed by nobody else, and no others can come.
    """
    joined = (
        select(Entry.room_id, Entry.seq, Entry.data)
        .join(Joining, (Joining.room_id == Entry.room_id) & (Joining.seq == Entry.seq))
        .where(Joining.user_id == user_id)
        .order_by(Joining.room_id, Joining.seq)
        .limit(_CHUNK)
    )
    names = {"username": DELETED_USERNAME, "display_name": DELETED_DISPLAY_NAME}
    emptied = {
        (room_id, seq): MemberJoined.model_validate({**data, **names}, extra="ignore")
        for room_id, seq, data in await session.execute(joined)
    }
    await erase(session, emptied)
    place = tuple_(Joining.room_id, Joining.seq)
    await session.execute(delete(Joining).where(Joining.user_id == user_id, place.in_(list(emptied))))
    return bool(emptied)


async def store(session: AsyncSession, entries: Sequence[RoomEntry]) -> None:
    """Raises `IntegrityError` if one of their commands has made an entry already."""
    if entries:
        connection = await session.connection()
        await connection.execute(_STORE, [vars(entry) for entry in entries])
