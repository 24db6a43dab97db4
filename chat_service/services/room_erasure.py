"""What was said in deleted rooms: hidden from the moment on that the room is deleted, and erased soon after.

A room may hold any number of messages: some are erased at a time, each time in a transaction of its own, so that no
statement takes long and nobody waits for them all.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Message, Room
from chat_service.services.log import erase_texts
from chat_service.services.search_index import take_out
from common.database import Database, DatabaseUnavailable
from contracts.messages import RoomEntry

_CHUNK = 1_000
_LOOK_EVERY_S = 3600.0
_RETRY_S = 10.0

log = structlog.get_logger(__name__)


async def hide_texts(session: AsyncSession, entries: Collection[RoomEntry]) -> None:
    """Take the texts out of those of the entries, as they are told, whose rooms are deleted: they may not have been
    erased yet."""
    with_text = [entry for entry in entries if "text" in entry.data]
    if not with_text:
        return
    among = Room.id.in_({entry.room_id for entry in with_text})
    deleted = set(await session.scalars(select(Room.id).where(among, Room.deleted_at.is_not(None))))
    for entry in with_text:
        if entry.room_id in deleted:
            entry.data["text"] = None


class RoomErasure:
    """Erases what was said in deleted rooms, also where the replica that deleted them was killed before it was done."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """A room was deleted: look now rather than within the hour."""
        self._nudged.set()

    async def run(self) -> None:
        """Erase until cancelled; a transaction that has begun is ended first."""
        while True:
            self._nudged.clear()
            wait_s = _LOOK_EVERY_S
            try:
                while await _to_its_end(asyncio.create_task(self._erase_some())):
                    pass
            except DatabaseUnavailable as error:
                log.warning("deleted_rooms_not_erased", reason=str(error))
                wait_s = _RETRY_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), wait_s)

    async def _erase_some(self) -> bool:
        """Says whether there was anything left to do."""
        unfinished = select(Room).where(Room.deleted_at.is_not(None), Room.message_count > 0).limit(1)
        async with self._database.write() as session:
            # what another replica is just erasing is left to it
            room = await session.scalar(unfinished.with_for_update(skip_locked=True))
            if room is None:
                return False
            if not await _erase_messages(session, room):
                room.message_count = 0
            await session.commit()
        return True


async def _to_its_end(transaction: asyncio.Task[bool]) -> bool:
    try:
        return await asyncio.shield(transaction)
    except asyncio.CancelledError:
        with suppress(DatabaseUnavailable):
            await transaction
        raise


async def _erase_messages(session: AsyncSession, room: Room) -> bool:
    """A chunk of the room's messages, with their edits and reactions. Says whether there were any."""
    query = select(Message.id, Message.room_id, Message.seq, Message.reply_to).where(Message.room_id == room.id)
    found = (await session.execute(query.order_by(Message.seq).limit(_CHUNK))).all()
    if not found:
        return False
    message_ids = [message.id for message in found]
    await erase_texts(session, [(message.id, message.room_id, message.seq, message.reply_to) for message in found])
    await take_out(session, message_ids)
    await session.execute(delete(Message).where(Message.id.in_(message_ids)))
    return True
