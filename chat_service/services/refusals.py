"""Which commands were refused, for as long as the bus may bring them again.

Whoever was refused has been told so. Brought again, because a replica was killed or cut off before it could acknowledge
the command, it must not be judged anew: somebody may have become a member meanwhile. Sent again by its sender it comes
in another event, and is.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Uuid, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import RefusedCommand
from chat_service.services.outcomes import Refused
from chat_service.services.rows import ManyRows, each
from common.database import Database, DatabaseUnavailable
from common.ids import now
from contracts.messages import Refusal

KEPT_FOR = timedelta(days=1)
_FORGET_EVERY_S = 3600.0
_AT_ONCE = 1_000

_REFUSED = ManyRows(
    lambda events: select(RefusedCommand).join(events, RefusedCommand.event_id == events.c.id), events={"id": Uuid()}
)

log = structlog.get_logger(__name__)


async def refused_before(session: AsyncSession, event_ids: Sequence[UUID]) -> dict[UUID, Refused]:
    """Those of the events whose commands have been refused, and how."""
    found = await session.scalars(*_REFUSED.of(session, events=each(event_ids)))
    return {one.event_id: Refused(Refusal(one.code), one.retry_after) for one in found}


async def remember_refused(session: AsyncSession, refused: Mapping[UUID, Refused]) -> None:
    if not refused:
        return
    moment = now()
    values = [
        {"event_id": event_id, "code": one.code, "retry_after": one.retry_after, "at": moment}
        for event_id, one in refused.items()
    ]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    connection = await session.connection()
    # without a room to lock, two replicas may refuse one command at once
    await connection.execute(insert(RefusedCommand).on_conflict_do_nothing(), values)


async def forget_refused(database: Database) -> None:
    """Forget those of long ago, now and every hour. Runs until cancelled."""
    while True:
        try:
            while await _forget_some(database):
                pass
        except DatabaseUnavailable as error:
            log.warning("refused_commands_kept", reason=str(error))
        await asyncio.sleep(_FORGET_EVERY_S)


async def _forget_some(database: Database) -> bool:
    """Whether there may be more."""
    old = select(RefusedCommand.event_id).where(RefusedCommand.at < now() - KEPT_FOR).limit(_AT_ONCE)
    async with database.write() as session:
        event_ids = (await session.scalars(old)).all()
        await session.execute(delete(RefusedCommand).where(RefusedCommand.event_id.in_(event_ids)))
        await session.commit()
    return len(event_ids) == _AT_ONCE
