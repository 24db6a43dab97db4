"""The digests of all registered emails, page by page: what bloom_service makes its filter from.

Those that are stored under the key asked for the database puts together by itself, and they cost this service next to
nothing. The others are computed from the addresses.
"""

import asyncio
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database
from common.errors import Problem
from contracts.internal_http import EmailDigests as Page
from user_service.models import User
from user_service.services.emails import DigestKey, EmailDigests

BEFORE_ALL = UUID(int=0)
"""Comes before every user's id."""

_COMPUTED_AT_ONCE = 1_000
"""Takes the event loop about a millisecond."""


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
            found = await session.scalar(self._digests_or_addresses(key, after, limit))
        # as it is: there may be megabytes of it, all of which the database or a hash function has written in hex
        return Page.model_construct(digests=await _computed(key, found or ""), next=end)

    def _digests_or_addresses(self, key: DigestKey, after: UUID, limit: int) -> Select[str]:
        """In one string, line by line: the digests that are stored under the key, in hex, and the addresses of users
        without one."""
        is_stored = User.email_digest_key_id == key.id
        digest = case((is_stored, self._hex()), else_=User.email_canonical).label("digest")
        page = select(digest).where(User.id > after).order_by(User.id).limit(limit).subquery()
        return select(func.aggregate_strings(page.c.digest, "\n"))

    def _hex(self) -> ColumnElement[str]:
        if self._database.is_sqlite:
            return func.lower(func.hex(User.email_digest))
        return func.encode(User.email_digest, "hex")


async def _computed(key: DigestKey, found: str) -> str:
    """The digests alone: no digest has an at sign, and no address is without one, or has a line break."""
    if "@" not in found:
        return found.replace("\n", "")
    lines = found.split("\n")
    for first in range(0, len(lines), _COMPUTED_AT_ONCE):
        some = slice(first, first + _COMPUTED_AT_ONCE)
        lines[some] = [key.digest(line).hex() if "@" in line else line for line in lines[some]]
        await asyncio.sleep(0)
    return "".join(lines)


async def last_of_page(session: AsyncSession, after: UUID, limit: int) -> UUID | None:
    """The id of the last of the first `limit` users after that id; None if there are no more than these."""
    query = select(User.id).where(User.id > after).order_by(User.id).offset(limit - 1).limit(2)
    ids = (await session.scalars(query)).all()
    return ids[0] if len(ids) == 2 else None
