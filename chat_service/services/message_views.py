"""Messages as their readers see them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Message, Reaction
from chat_service.schemas import RoomMessage


async def message_views(session: AsyncSession, messages: Sequence[Message]) -> list[RoomMessage]:
    """In the order given, with the reactions to each: emojis, and who has reacted so, in the order they came."""
    views = {message.id: RoomMessage.model_validate(message) for message in messages}
    query = select(Reaction).where(Reaction.message_id.in_(views)).order_by(Reaction.seq)
    for reaction in await session.scalars(query):
        views[reaction.message_id].reactions.setdefault(reaction.emoji, []).append(reaction.user_id)
    return list(views.values())
