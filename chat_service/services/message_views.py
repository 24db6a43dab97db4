"""Messages as their readers see them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Message, Reaction
from chat_service.schemas import RoomMessage


async def message_views(session: AsyncSession, messages: Sequence[Message]) -> list[RoomMessage]:
    """In the order given, with the reactions to each: emojis, and who has reacted so, in the order they came."""
    views = {message.id: RoomMessage.model_validate(message) for message in messages}
    # columns, as there may be very many
    query = select(Reaction.message_id, Reaction.emoji, Reaction.user_id)
    found = await session.execute(query.where(Reaction.message_id.in_(views)).order_by(Reaction.seq))
    for message_id, emoji, user_id in found:
        views[message_id].reactions.setdefault(emoji, []).append(user_id)
    return list(views.values())
