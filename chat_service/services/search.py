"""Messages found by their words."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Member, Message
from chat_service.ranking import score
from chat_service.rules import Action
from chat_service.schemas import RoomMessage
from chat_service.services.access import see_room
from chat_service.services.message_views import message_views
from chat_service.services.search_index import matches
from chat_service.words import words
from common.database import Database

MAX_WORDS = 32
"""How many words of a search are looked at: the first."""

MAX_MATCHES = 1_000
"""How many of the newest matches are ranked; those before them are found by more words."""


class Rank(NamedTuple):
    """A message's place among those found: the higher comes first, and of equally good ones the newer."""

    score: int
    message_id: UUID


class Search:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, user_id: UUID, text: str, room_id: UUID | None, after: Rank | None, limit: int
    ) -> tuple[list[RoomMessage], Rank | None]:
        """Up to `limit` messages that have all words of the text (its first `MAX_WORDS`), best first, of one room, or
        of all of the user's; and what to give as `after` for those that follow, if any do. A text without words finds
        nothing.

        Raises 404, 403 for the room.
        """
        sought = words(text)[:MAX_WORDS]
        async with self._database.read() as session:
            rooms = await _rooms(session, user_id, room_id)
            if not sought or not rooms:
                return [], None
            found = await matches(session, sought, rooms, MAX_MATCHES)
        # beside the event loop, and while others use the connection: it reads up to a thousand texts
        ranks = await asyncio.to_thread(_ranked, sought, found, after)
        async with self._database.read() as session:
            messages = await _messages(session, user_id, [rank.message_id for rank in ranks[:limit]])
        return messages, ranks[limit - 1] if len(ranks) > limit else None


async def _rooms(session: AsyncSession, user_id: UUID, room_id: UUID | None) -> Sequence[UUID]:
    if room_id is not None:
        await see_room(session, room_id, user_id, Action.READ)
        return [room_id]
    return (await session.scalars(select(Member.room_id).where(Member.user_id == user_id))).all()


def _ranked(sought: Sequence[str], found: Sequence[tuple[UUID, str]], after: Rank | None) -> list[Rank]:
    ranks = [Rank(score(sought, words), message_id) for message_id, words in found]
    return sorted((rank for rank in ranks if after is None or rank < after), reverse=True)


async def _messages(session: AsyncSession, user_id: UUID, message_ids: Sequence[UUID]) -> list[RoomMessage]:
    """In this order, without what was deleted since it was found, or is in a room that the user has left since."""
    own = select(Member.room_id).where(Member.user_id == user_id)
    query = select(Message).where(Message.id.in_(message_ids), Message.room_id.in_(own), not_(Message.deleted))
    found = await session.scalars(query)
    by_id = {message.id: message for message in found}
    return await message_views(session, [by_id[message_id] for message_id in message_ids if message_id in by_id])
