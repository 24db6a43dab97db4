"""Accounts: made, shown, changed, deleted."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from common.database import Database
from common.errors import Forbidden, Problem
from common.ids import now, uuid7
from common.tokens import Claims
from contracts.messages import SessionRevoked, UserDeleted, UserProfileChanged, UserRegistered
from user_service.events import record
from user_service.models import Session, User
from user_service.services.emails import EmailDigests
from user_service.services.names import canonical, is_reserved
from user_service.services.passwords import Passwords
from user_service.services.sessions import SessionEnded


class EmailTaken(Problem):
    status = 409
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this email.")


class UsernameTaken(Problem):
    status = 409
    code = "username_taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this username.")


class WrongPassword(Forbidden):
    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("This is not the account's password.")


class Accounts:
    """`committed` is called after each change, to have its events relayed at once."""

    def __init__(
        self, database: Database, passwords: Passwords, digests: EmailDigests, committed: Callable[[], None]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._digests = digests
        self._committed = committed

    async def register(self, *, email: str, username: str, password: str, display_name: str) -> User:
        """Raises `EmailTaken`, `UsernameTaken`: the unique indexes decide, however close two registrations are."""
        if is_reserved(username):
            raise UsernameTaken
        email_canonical = canonical(email)
        first, second = self._digests.first, self._digests.second
        digest = first.digest(email_canonical)
        user = User(
            id=uuid7(),
            email=email,
            email_canonical=email_canonical,
            username=username,
            username_canonical=canonical(username),
            display_name=display_name,
            display_name_canonical=canonical(display_name),
            password_hash=await self._passwords.hash(password),
            version=1,
            created_at=now(),
            email_digest=digest,
            email_digest_key_id=first.id,
        )
        async with self._database.write() as session:
            if await session.scalar(select(User.id).where(User.email_canonical == user.email_canonical)) is not None:
                raise EmailTaken  # rather than UsernameTaken, where both are
            session.add(user)
            try:
                # waits for a concurrent deletion of the same email, whose event then has the lower id
                await session.flush()
            except IntegrityError as error:
                raise _taken(error) from None
            record(
                session,
                UserRegistered(
                    user_id=user.id,
                    username=user.username,
                    display_name=user.display_name,
                    email_digest=digest.hex(),
                    email_digest_key_id=first.id,
                    second_email_digest=second.digest(email_canonical).hex() if second else None,
                    second_email_digest_key_id=second.id if second else None,
                    version=user.version,
                    registered_at=user.created_at,
                ),
            )
            await session.commit()
        self._committed()
        return user

    async def signed_in(self, claims: Claims) -> User:
        """The bearer of an access token. Raises `SessionEnded` if that session, or the account, is gone."""
        active = select(User).join(Session).where(User.id == claims.user_id, Session.id == claims.session_id)
        async with self._database.read() as session:
            user = await session.scalar(active)
        if user is None:
            raise SessionEnded
        return user

    async def rename(self, user_id: UUID, display_name: str) -> User:
        """Change the display name. Raises `SessionEnded` if the account is gone."""
        async with self._database.write() as session:
            user = await session.get(User, user_id, with_for_update=True)
            if user is None:
                raise SessionEnded
            if display_name == user.display_name:
                return user
            user.display_name = display_name
            user.display_name_canonical = canonical(display_name)
            user.version += 1
            record(
                session,
                UserProfileChanged(
                    user_id=user.id, username=user.username, display_name=display_name, version=user.version
                ),
            )
            await session.commit()
        self._committed()
        return user

    async def delete(self, user: User, password: str) -> None:
        """Delete the account and its sessions. Raises `WrongPassword`; `SessionEnded` if it is gone already."""
        right, _ = await self._passwords.verify(password, user.password_hash)
        if not right:
            raise WrongPassword
        async with self._database.write() as session:
            account = await session.get(User, user.id, with_for_update=True)
            if account is None:
                raise SessionEnded
            await session.delete(account)
            record(
                session,
                UserDeleted(
                    user_id=account.id,
                    email_digest=self._digests.first.digest(account.email_canonical).hex(),
                    email_digest_key_id=self._digests.first.id,
                    version=account.version + 1,
                ),
                SessionRevoked(user_id=account.id, session_id=None, reason="account_deleted"),
            )
            await session.commit()
        self._committed()


def _taken(error: IntegrityError) -> Problem:
    # the first line names the constraint (PostgreSQL) or column (SQLite), and holds no value
    fault = str(error.orig).partition("\n")[0]
    return EmailTaken() if User.email_canonical.key in fault else UsernameTaken()
