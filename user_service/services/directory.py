"""Finding other users."""

import base64
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_, select

from common.database import Database
from common.errors import InvalidRequest, NotFound
from user_service.models import User
from user_service.services.names import USERNAME, canonical


class InvalidCursor(InvalidRequest):
    def __init__(self) -> None:
        super().__init__((("query", "cursor"), "not a cursor that this call gave out"))


class Directory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: UUID) -> User:
        """Raises `NotFound`."""
        async with self._database.read() as session:
            user = await session.get(User, user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def search(self, prefix: str, cursor: str | None, limit: int) -> tuple[Sequence[User], str | None]:
        """Up to `limit` users whose username or display name begins so, and the cursor of what follows, if any does.

        In the order of usernames. An empty prefix finds everybody. Raises `InvalidCursor`.
        """
        sought = canonical(prefix)
        by_name = or_(
            User.username_canonical.startswith(sought, autoescape=True),
            User.display_name_canonical.startswith(sought, autoescape=True),
        )
        query = select(User).where(by_name).order_by(User.username_canonical).limit(limit + 1)
        if cursor is not None:
            query = query.where(User.username_canonical > _decode(cursor))
        async with self._database.read() as session:
            users = (await session.scalars(query)).all()
        if len(users) <= limit:
            return users, None
        return users[:limit], _encode(users[limit - 1].username_canonical)


def _encode(username: str) -> str:
    return base64.urlsafe_b64encode(username.encode()).decode()


def _decode(cursor: str) -> str:
    try:
        username = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        raise InvalidCursor from None
    if not USERNAME.fullmatch(username):
        raise InvalidCursor
    return username
