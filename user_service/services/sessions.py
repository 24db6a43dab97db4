"""Sessions: a login, and the refresh tokens that keep it going."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database
from common.errors import Unauthorized
from common.ids import now, uuid7
from contracts.messages import SessionRevoked
from user_service.events import record
from user_service.models import RefreshToken, Session, User
from user_service.services.emails import normalized_email
from user_service.services.names import USERNAME, canonical
from user_service.services.passwords import Passwords
from user_service.services.signing import SigningKey

REFRESH_TOKEN_LIFETIME = timedelta(days=30)
_REFRESH_TOKEN_BYTES = 32


class InvalidCredentials(Unauthorized):
    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("No account has this name and password.")


class InvalidRefreshToken(Unauthorized):
    def __init__(self) -> None:
        super().__init__("The refresh token is not valid.")


class SessionEnded(Unauthorized):
    def __init__(self) -> None:
        super().__init__("The session has ended.")


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    refresh_token: str


class Sessions:
    """`committed` is called after each revocation, to have its event relayed at once."""

    def __init__(
        self, database: Database, passwords: Passwords, signing_key: SigningKey, committed: Callable[[], None]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._signing_key = signing_key
        self._committed = committed

    async def log_in(self, name: str, password: str) -> Tokens:
        """Begin a session for an email or a username.

        Raises `InvalidCredentials`, after the same work whether or not there is such an account.
        """
        account = await self._find(name)
        right, better_hash = await self._passwords.verify(password, account.password_hash if account else None)
        if account is None or not right:
            raise InvalidCredentials
        async with self._database.write() as session:
            user = await session.get(User, account.id, with_for_update=True)
            if user is None:
                raise InvalidCredentials
            if better_hash is not None:
                user.password_hash = better_hash
            moment = now()
            await session.execute(delete(Session).where(Session.user_id == user.id, Session.expires_at <= moment))
            login = Session(id=uuid7(), user_id=user.id, created_at=moment, expires_at=moment + REFRESH_TOKEN_LIFETIME)
            session.add(login)
            await session.flush()
            tokens = self._hand_out(session, login, user)
            await session.commit()
        return tokens

    async def refresh(self, refresh_token: str) -> Tokens:
        """Spend a refresh token for new tokens.

        Raises `InvalidRefreshToken`. A spent one also ends the whole session: either its owner or a thief holds a
        copy. That goes for the same token used twice at once, too: one use wins, the other ends the session.
        """
        async with self._database.write() as session:
            token, login = await self._locked(session, refresh_token)
            if token.spent_at is not None:
                await self._revoke(session, login, "token_reuse")
                raise InvalidRefreshToken
            moment = now()
            if token.expires_at <= moment:
                raise InvalidRefreshToken
            token.spent_at = moment
            login.expires_at = moment + REFRESH_TOKEN_LIFETIME
            await session.execute(
                delete(RefreshToken).where(RefreshToken.session_id == login.id, RefreshToken.expires_at <= moment)
            )
            tokens = self._hand_out(session, login, await session.get_one(User, login.user_id))
            await session.commit()
        return tokens

    async def log_out(self, refresh_token: str) -> None:
        """End the session of a refresh token. One that is not known has no session to end (RFC 7009, section 2.2)."""
        async with self._database.write() as session:
            try:
                _, login = await self._locked(session, refresh_token)
            except InvalidRefreshToken:
                return
            await self._revoke(session, login, "logout")

    async def active(self, session_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Those of the sessions that have not been revoked."""
        async with self._database.read() as session:
            return (await session.scalars(select(Session.id).where(Session.id.in_(session_ids)))).all()

    async def _find(self, name: str) -> User | None:
        owner = _owner(name)
        if owner is None:
            return None
        async with self._database.read() as session:
            return await session.scalar(select(User).where(owner))

    async def _locked(self, session: AsyncSession, refresh_token: str) -> tuple[RefreshToken, Session]:
        """A token and its session, which nobody else touches until the transaction ends."""
        digest = _digest(refresh_token)
        of_token = select(Session).join(RefreshToken).where(RefreshToken.digest == digest)
        login = await session.scalar(of_token.with_for_update(of=Session))
        if login is None:
            raise InvalidRefreshToken
        # read only now: while the lock was waited for, another use may have spent it
        return await session.get_one(RefreshToken, digest), login

    async def _revoke(self, session: AsyncSession, login: Session, reason: Literal["logout", "token_reuse"]) -> None:
        await session.delete(login)
        record(session, SessionRevoked(user_id=login.user_id, session_id=login.id, reason=reason))
        await session.commit()
        self._committed()

    def _hand_out(self, session: AsyncSession, login: Session, user: User) -> Tokens:
        refresh_token = secrets.token_urlsafe(_REFRESH_TOKEN_BYTES)
        session.add(
            RefreshToken(digest=_digest(refresh_token), session_id=login.id, expires_at=login.expires_at, spent_at=None)
        )
        return Tokens(self._signing_key.access_token(user, login.id), refresh_token)


def canonical_login(name: str) -> str:
    """The same for all ways to write an email or username, and for anything else some text that is neither."""
    with suppress(ValueError):
        name = normalized_email(name)
    return canonical(name)


def _owner(name: str) -> ColumnElement[bool] | None:
    """The condition that the owner of an email or username meets; None if it can't be either."""
    if USERNAME.fullmatch(name):
        return User.username_canonical == canonical(name)
    try:
        return User.email_canonical == canonical(normalized_email(name))
    except ValueError:
        return None


def _digest(refresh_token: str) -> bytes:
    return hashlib.sha256(refresh_token.encode(errors="surrogatepass")).digest()
