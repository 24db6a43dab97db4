"""The digests of all registered emails, page by page: what bloom_service makes its filter from.

Those that are stored under the key asked for the database puts together by itself, and they cost this service next to
nothing. The others are computed from the addresses.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database
from common.errors import Problem
from contracts.internal_http import EmailDigests as Page
from user_service.models import User
from user_service.services.emails import DigestKey, EmailDigests

BEFORE_ALL = UUID(int=0)
"""Comes before every user's id."""

_COMPUTED_AT_ONCE = 500
"""Takes the event loop two milliseconds."""


class UnknownKey(Problem):
    status = 404
    code = "unknown_key"

    def __init__(self) -> None:
        super().__init__("This instance has no key of that id.")


class DigestExport:
    def __init__(self, database: Database, digests: EmailDigests) -> None:
        self._database = database
        self._digests = digests

    async def page(self, key_id: str, after: UUID, limit: int) -> Page:
        """The digests under one key of the first `limit` users with higher ids than `after`, as they are at one moment.

        Raises `UnknownKey`.
        """
        key = self._digests.key(key_id)
        if key is None:
            raise UnknownKey
        async with self._database.read() as session:
            end = await last_of_page(session, after, limit)
            digests = await self._stored(session, key, after, limit)
            if digests is None:
                digests = await self._computed(session, key, after, limit)
        # as it is: there may be megabytes of it, all of which the database or a hash function has written in hex
        return Page.model_construct(digests=digests, next=end)

    async def _stored(self, session: AsyncSession, key: DigestKey, after: UUID, limit: int) -> str | None:
        """None where some are not stored under this key."""
        page = (
            select(self._hex().label("digest"), _is_stored_under(key).label("stored"))
            .where(User.id > after)
            .order_by(User.id)
            .limit(limit)
            .subquery()
        )
        query = select(func.count(), func.count(case((page.c.stored, 1))), func.aggregate_strings(page.c.digest, ""))
        users, stored, digests = (await session.execute(query.select_from(page))).one()
        return (digests or "") if stored == users else None

    async def _computed(self, session: AsyncSession, key: DigestKey, after: UUID, limit: int) -> str:
        stored = case((_is_stored_under(key), self._hex()))
        query = select(stored, User.email_canonical).where(User.id > after).order_by(User.id).limit(limit)
        rows = await session.stream(query, execution_options={"yield_per": _COMPUTED_AT_ONCE})
        digests: list[str] = []
        async for some in rows.partitions():
            digests += [digest or key.digest(address).hex() for digest, address in some]
        return "".join(digests)

    def _hex(self) -> ColumnElement[str]:
        if self._database.is_sqlite:
            return func.lower(func.hex(User.email_digest))
        return func.encode(User.email_digest, "hex")


async def last_of_page(session: AsyncSession, after: UUID, limit: int) -> UUID | None:
    """The id of the last of the first `limit` users after that id; None if there are no more than these."""
    query = select(User.id).where(User.id > after).order_by(User.id).offset(limit - 1).limit(2)
    ids = (await session.scalars(query)).all()
    return ids[0] if len(ids) == 2 else None


def _is_stored_under(key: DigestKey) -> ColumnElement[bool]:
    return User.email_digest_key_id == key.id
