"""The tables. A `*_canonical` column holds the form in which two values are compared: equal there means the same."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.database import UtcDateTime
from messaging.outbox import OutboxMixin

# ordered by code point in both databases, so that a prefix is a range of the index
Canonical = String().with_variant(String(collation="C"), "postgresql")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class User(Base):
    """An account. Deleting it frees its email and username.

    `email_digest` is the digest of `email_canonical` under the key that `email_digest_key_id` names, or not stored yet.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    email_canonical: Mapped[str] = mapped_column(Canonical, unique=True)
    username: Mapped[str]
    username_canonical: Mapped[str] = mapped_column(Canonical, unique=True)
    display_name: Mapped[str]
    display_name_canonical: Mapped[str] = mapped_column(Canonical, index=True)
    password_hash: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    email_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    email_digest_key_id: Mapped[str | None]


class Session(Base):
    """One login: the family of refresh tokens that descend from it. Revoking it deletes the row, and them."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RefreshToken(Base):
    """A token that was handed out. A spent one is kept until it would have expired: its use gives a thief away."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey(Session.id, ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    spent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Outbox(OutboxMixin, Base):
    __tablename__ = "outbox"
