"""This service's own copy of users: kept by their events, completed by asking user_service."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import User
from common.database import Database
from common.errors import NotFound, Unauthorized, Unavailable
from common.tokens import Claims
from common.tracing import current_traceparent
from contracts.internal_http import UserView

_TIMEOUT_S = 1.0
_FROM_TOKEN = 0
"""The version of names that a token tells: it may be old, so any event knows better."""


class UnknownUser(NotFound):
    def __init__(self) -> None:
        super().__init__("There is no such user.")


class AccountGone(Unauthorized):
    """The token is still good, but its bearer's account was deleted."""

    def __init__(self) -> None:
        super().__init__("The account was deleted.")


class Users:
    """`user_service` is a client whose base URL is that of user_service."""

    def __init__(self, database: Database, user_service: httpx.AsyncClient, service_token: str) -> None:
        self._database = database
        self._user_service = user_service
        self._headers = {"Authorization": f"Bearer {service_token}"}

    async def find(self, user_id: UUID) -> None:
        """Make sure that the copy has this user, whose event may still be on its way.

        Raises `UnknownUser`; 503 `unavailable` if user_service has to be asked and can't be.
        """
        if not await self._is_known(user_id):
            await self._learn(await self._ask(user_id))

    async def introduce(self, claims: Claims) -> None:
        """Make sure that the copy has the bearer of a token, whose names it tells."""
        if not await self._is_known(claims.user_id):
            await self._learn(
                UserView(
                    id=claims.user_id, username=claims.username, display_name=claims.display_name, version=_FROM_TOKEN
                )
            )

    async def _is_known(self, user_id: UUID) -> bool:
        async with self._database.read() as session:
            return await session.get(User, user_id) is not None

    async def _learn(self, user: UserView) -> None:
        async with self._database.write() as session:
            await remember(session, [user])
            await session.commit()

    async def _ask(self, user_id: UUID) -> UserView:
        headers = {**self._headers, "traceparent": current_traceparent()}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._user_service.get(f"/internal/v1/users/{user_id}", headers=headers)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise UnknownUser
            answer.raise_for_status()
            return UserView.model_validate_json(answer.content, extra="ignore")
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise Unavailable("The user can't be looked up at the moment. Try again.") from error


async def remember(session: AsyncSession, users: Sequence[UserView], deleted: Collection[UUID] = ()) -> None:
    """Take in what was heard of some users, each named once, where it is newer than the copy.

    They are locked in the order of their ids.
    """
    if not users:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    heard = [{**user.model_dump(), "deleted": user.id in deleted} for user in sorted(users, key=lambda user: user.id)]
    new = insert(User).values(heard)
    await session.execute(
        new.on_conflict_do_update(
            index_elements=[User.id],
            set_={name: new.excluded[name] for name in ("username", "display_name", "version", "deleted")},
            where=new.excluded.version > User.version,
        )
    )


async def keep(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, User]:
    """Those of the users who are not deleted, and can't be until the transaction ends.

    Users are kept before rooms are locked: a deletion that comes later then finds all of their memberships.
    """
    query = select(User).where(User.id.in_(user_ids)).order_by(User.id).with_for_update(read=True)
    return {user.id: user for user in await session.scalars(query) if not user.deleted}


async def keep_actor(session: AsyncSession, user_id: UUID) -> User:
    """As `keep`, for the bearer of a token. Raises `AccountGone`."""
    users = await keep(session, [user_id])
    if user_id not in users:
        raise AccountGone
    return users[user_id]
