"""What commands do to rooms: for many at once."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.services.batch_rows import read_batch, write_batch
from chat_service.services.outcomes import Command, Outcome


async def apply(session: AsyncSession, commands: Sequence[Command]) -> list[Outcome]:
    """Carry out commands in order, in the caller's transaction; one outcome for each.

    Raises `IntegrityError` if another transaction is just committing one of the commands in another room.
    """
    batch = await read_batch(session, commands)
    outcomes = [batch.carry_out(command) for command in commands]
    batch.forget_deleted()
    await write_batch(session, batch)
    return outcomes
