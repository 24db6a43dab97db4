"""What commands do to rooms: for many at once."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.services.outcomes import Command, Outcome, Repeated
from chat_service.services.read_batch import read_batch
from chat_service.services.room_erasure import hide_texts
from chat_service.services.write_batch import write_batch


async def apply(
    session: AsyncSession, commands: Sequence[Command], event_ids: Sequence[UUID] | None = None
) -> list[Outcome]:
    """Carry out commands in order, in the caller's transaction; one outcome for each.

    `event_ids` are those of the events that brought the commands, if events did: what was refused stays refused however
    often its event comes.

    Raises `IntegrityError` if another transaction is just committing one of the commands in another room.
    """
    batch = await read_batch(session, commands, event_ids or [])
    brought_by: Sequence[UUID | None] = event_ids or [None] * len(commands)
    outcomes = [batch.carry_out(command, event_id) for command, event_id in zip(commands, brought_by, strict=True)]
    batch.forget_deleted()
    await hide_texts(session, [outcome.entry for outcome in outcomes if isinstance(outcome, Repeated)])
    await write_batch(session, batch)
    return outcomes
