"""The tables. A room is its log, `entries`; `members` and `messages` are the state that follows from it.

Whatever belongs to a room, and the room's own row, is only ever changed by the holder of that row's lock.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship

from common.database import UtcDateTime
from contracts.fields import Role, RoomKind
from messaging.outbox import OutboxMixin


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        RoomKind: String(),
        Role: String(),
    }


class User(Base):
    """This service's own copy of a user's names, at the highest version that it has heard of.

    A deleted user's row stays, with the names that all deleted users have (`contracts.entries`): it is what their
    messages are shown with, and keeps what arrives late from bringing the old names back.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    display_name: Mapped[str]
    version: Mapped[int]
    deleted: Mapped[bool]


class Room(Base):
    """`head` is the seq of the newest entry. `message_count` counts the messages ever posted. In a
    deleted room it is 0 once what was said has been erased.

    `name_canonical` is the form in which names are searched. `direct_key` names the pair of a direct room.
    """

    __tablename__ = "rooms"
    __table_args__ = (Index("ix_rooms_kind", "kind", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[RoomKind]
    name: Mapped[str | None]
    name_canonical: Mapped[str | None]
    topic: Mapped[str | None]
    direct_key: Mapped[str | None] = mapped_column(unique=True)
    head: Mapped[int] = mapped_column(BigInteger)
    message_count: Mapped[int] = mapped_column(BigInteger)
    member_count: Mapped[int]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Member(Base):
    """A membership. Leaving deletes it.

    `read_count` counts the room's messages up to the read mark, and one's own after it. The others are unread; so
    they are known for a whole list of rooms without counting any.
    """

    __tablename__ = "members"
    __table_args__ = (Index("ix_members_user_id", "user_id", "room_id"),)

    room_id: Mapped[UUID] = mapped_column(ForeignKey(Room.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    role: Mapped[Role]
    joined_at: Mapped[datetime]
    read_seq: Mapped[int] = mapped_column(BigInteger)
    read_count: Mapped[int] = mapped_column(BigInteger)


class Ban(Base):
    """Keeps somebody from becoming a member, until it is lifted."""

    __tablename__ = "bans"

    room_id: Mapped[UUID] = mapped_column(ForeignKey(Room.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    banned_by: Mapped[UUID]
    at: Mapped[datetime]


class Mute(Base):
    """Keeps somebody from saying anything until then. It outlives the membership: rejoining does not end it."""

    __tablename__ = "mutes"

    room_id: Mapped[UUID] = mapped_column(ForeignKey(Room.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    until: Mapped[datetime]
    muted_by: Mapped[UUID]


class Entry(Base):
    """An entry of a room's log. It is never changed, but for losing its text when its message or the room is deleted,
    and the names in it when the account that they belong to is. `origin` is that of `contracts.messages.RoomEntry`.

    The unique index is what makes a command take effect once, in whichever room, for ever.
    """

    __tablename__ = "entries"
    __table_args__ = (UniqueConstraint("command_id", "actor_id"),)

    room_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID]
    kind: Mapped[str]
    actor_id: Mapped[UUID]
    command_id: Mapped[UUID | None]
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    origin: Mapped[int | None] = mapped_column(BigInteger)


class Joining(Base):
    """Where an entry of a log tells a user's names, `member.joined`: there they are erased when the account is deleted.

    Kept when the membership ends.
    """

    __tablename__ = "joinings"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    room_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Message(Base):
    """A message as it reads now: without text once it is `deleted`. Its id is that of the entry that posted it.

    `sender` comes with it, in the same query.
    """

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("room_id", "seq"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    room_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[UUID]
    text: Mapped[str]
    reply_to: Mapped[UUID | None]
    at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted: Mapped[bool]

    sender: Mapped[User] = relationship(
        primaryjoin=lambda: foreign(Message.sender_id) == User.id, lazy="joined", innerjoin=True, viewonly=True
    )


class RefusedCommand(Base):
    """The answer to a command that was refused, by the event that brought it. Kept while that may come again."""

    __tablename__ = "refused_commands"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    retry_after: Mapped[float | None]
    at: Mapped[datetime] = mapped_column(index=True)


class Edit(Base):
    """Where in the log a message was edited: the texts that go when it is deleted."""

    __tablename__ = "edits"

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id, ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Reaction(Base):
    """A reaction that stands. `seq` is that of the entry that added it."""

    __tablename__ = "reactions"

    message_id: Mapped[UUID] = mapped_column(ForeignKey(Message.id, ondelete="CASCADE"), primary_key=True)
    emoji: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)


message_words = Table(
    "message_words",
    MetaData(),
    Column("message_id", Uuid()),
    Column("room_id", Uuid()),
    Column("words", Text()),
)
"""The words of each message, in order, spaces between: by them it is found. (See `search_index`.)

Not one of Base's tables: on SQLite it is an index itself, a virtual table that no model describes.
"""


class Outbox(OutboxMixin, Base):
    __tablename__ = "outbox"


class LogEpoch(Base):
    """One row: the name of this database's past. It changes when that past is rewritten, as by a restored backup."""

    __tablename__ = "log_epoch"

    epoch: Mapped[str] = mapped_column(primary_key=True)
