"""Keeps the stored digests under the first key, which may be another than when a user registered.

Nothing depends on it but what an export costs: what is not stored under the key asked for is computed.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import Row, bindparam, select, update

from common.database import Database, DatabaseUnavailable
from user_service.models import User
from user_service.services.digest_export import BEFORE_ALL, last_of_page
from user_service.services.emails import EmailDigests

_LOOKED_AT = 5_000
_STORED_AT_ONCE = 500
"""Their rows are locked for some ten milliseconds."""

_REST = 9
"""So many times as long as it works it rests: a tenth of the time is the most that others miss."""

_RETRY_S = 2.0
_AGAIN_S = 600.0

log = structlog.get_logger(__name__)


class DigestUpkeep:
    def __init__(self, database: Database, digests: EmailDigests) -> None:
        self._database = database
        self._key = digests.first

    async def run(self) -> None:
        """Go through all users until there is nothing left to do: instances that have another first key may go on for
        a while."""
        while stored := await self._go_through():
            log.info("email_digests_stored", key_id=self._key.id, users=stored)
            await asyncio.sleep(_AGAIN_S)

    async def _go_through(self) -> int:
        """How many had no digest under the first key. A database that is away is waited for."""
        stored = 0
        after: UUID | None = BEFORE_ALL
        while after is not None:
            began = time.monotonic()
            try:
                outdated, end = await self._find(after)
                await self._store(outdated)
            except DatabaseUnavailable as error:
                log.warning("email_digests_wait", reason=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            stored += len(outdated)
            after = end
            await asyncio.sleep((time.monotonic() - began) * _REST)
        return stored

    async def _find(self, after: UUID) -> tuple[Sequence[Row[UUID, str]], UUID | None]:
        """The ids and addresses of those of the next users who have none, in order, and after whom to go on."""
        some = select(User).where(User.id > after).order_by(User.id).limit(_LOOKED_AT).subquery()
        has_none = some.c.email_digest_key_id.is_distinct_from(self._key.id)
        query = select(some.c.id, some.c.email_canonical).where(has_none).order_by(some.c.id).limit(_STORED_AT_ONCE)
        async with self._database.read() as session:
            outdated = (await session.execute(query)).all()
            if len(outdated) == _STORED_AT_ONCE:
                return outdated, outdated[-1].id
            return outdated, await last_of_page(session, after, _LOOKED_AT)

    async def _store(self, users: Sequence[Row[UUID, str]]) -> None:
        """In the order of ids, so that instances who do the same wait for one another in turn."""
        if not users:
            return
        values = [
            {"user_id": user_id, "address": address, "digest": self._key.digest(address)} for user_id, address in users
        ]
        # by the address, too: whoever has been deleted or has another one by now is passed over
        statement = (
            update(User)
            .where(User.id == bindparam("user_id"), User.email_canonical == bindparam("address"))
            .values(email_digest=bindparam("digest"), email_digest_key_id=self._key.id)
        )
        async with self._database.write() as session:
            connection = await session.connection()
            await connection.execute(statement, values)
            await session.commit()
