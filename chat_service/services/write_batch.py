"""What a batch of commands has changed, written with a number of statements that does not depend on their number."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, String, Uuid, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Base, Edit, Entry, Member, Message, Reaction, Room, message_words
from chat_service.services.batch import Batch, BatchMember, BatchMessage, ReactionKey
from chat_service.services.log import erase_texts
from chat_service.services.refusals import remember_refused
from chat_service.services.rows import Changes, ManyRows, adding
from chat_service.services.search_index import take_out, word_rows
from common.database import UtcDateTime

_MEMBER = {"room_id": Uuid(), "user_id": Uuid()}
_ENTRIES, _MESSAGES = (Base.metadata.tables[model.__tablename__] for model in (Entry, Message))

_CHANGES = Changes(
    rooms=(
        {"id": Uuid(), "head": BigInteger(), "message_count": BigInteger()},
        lambda rooms: (
            update(Room).where(Room.id == rooms.c.id).values(head=rooms.c.head, message_count=rooms.c.message_count)
        ),
    ),
    entries=adding(_ENTRIES),
    messages=adding(_MESSAGES),
    words=adding(message_words),
    senders=(
        {**_MEMBER, "posted": Integer()},
        lambda senders: (
            update(Member)
            .where(Member.room_id == senders.c.room_id, Member.user_id == senders.c.user_id)
            .values(read_count=Member.read_count + senders.c.posted)
        ),
    ),
)

_EDIT, _REACT = insert(Edit), insert(Reaction)
_CHANGE_TEXT = (
    update(Message)
    .where(Message.id == bindparam("of_message", type_=Uuid()))
    .values(text=bindparam("new_text", type_=String()), edited_at=bindparam("moment", type_=UtcDateTime()))
)
_UNREACT = delete(Reaction).where(
    Reaction.message_id == bindparam("message_id", type_=Uuid()),
    Reaction.emoji == bindparam("emoji", type_=String()),
    Reaction.user_id == bindparam("user_id", type_=Uuid()),
)
_READ = ManyRows(
    lambda marks: (
        update(Member)
        .where(Member.room_id == marks.c.room_id, Member.user_id == marks.c.user_id)
        .values(
            read_seq=marks.c.seq,
            read_count=Member.read_count
            + select(func.count())
            .select_from(Message)
            .where(
                Message.room_id == marks.c.room_id,
                Message.seq > Member.read_seq,
                Message.seq <= marks.c.seq,
                Message.sender_id != marks.c.user_id,
            )
            .correlate(Member, marks)
            .scalar_subquery(),
        )
    ),
    marks={**_MEMBER, "seq": BigInteger()},
)
_ROOM = attrgetter("id", "head", "message_count")
_ENTRY = attrgetter(*_ENTRIES.columns.keys())
_MESSAGE = attrgetter(*_MESSAGES.columns.keys())


async def write_batch(session: AsyncSession, batch: Batch) -> None:
    """Raises `IntegrityError` if another transaction is just committing one of the commands in another room."""
    await take_out(session, [*batch.edited, *batch.deleted])
    await _CHANGES.make(
        session,
        rooms=[_ROOM(batch.rooms[room_id]) for room_id in {entry.room_id for entry in batch.entries}],
        entries=list(map(_ENTRY, batch.entries)),
        messages=list(map(_MESSAGE, batch.posted)),
        words=word_rows(_said(batch)),
        senders=[(*key, member.posted) for key, member in batch.members.items() if member.posted],
    )
    await _write_edited(session, batch.edited.values())
    await _write_reactions(session, batch.unreacted, batch.reacted)
    await _write_deleted(session, batch.deleted.values())
    await _write_marks(session, batch.members)
    await remember_refused(session, batch.newly_refused)


async def _write_edited(session: AsyncSession, edited: Collection[BatchMessage]) -> None:
    edits = [{"message_id": message.id, "seq": seq} for message in edited for seq in message.edits]
    await _execute(session, _EDIT, edits)
    changed = [{"of_message": message.id, "new_text": message.text, "moment": message.edited_at} for message in edited]
    await _execute(session, _CHANGE_TEXT, changed)


async def _write_deleted(session: AsyncSession, deleted: Collection[BatchMessage]) -> None:
    """Nothing stays of what the messages said, in the log neither."""
    if not deleted:
        return
    message_ids = [message.id for message in deleted]
    await erase_texts(session, [(message.id, message.room_id, message.seq, message.reply_to) for message in deleted])
    await session.execute(delete(Edit).where(Edit.message_id.in_(message_ids)))
    await session.execute(delete(Reaction).where(Reaction.message_id.in_(message_ids)))
    await session.execute(update(Message).where(Message.id.in_(message_ids)).values(text="", deleted=True))


async def _write_reactions(
    session: AsyncSession, unreacted: Collection[ReactionKey], reacted: Mapping[ReactionKey, int]
) -> None:
    await _execute(session, _UNREACT, [_named(key) for key in unreacted])
    await _execute(session, _REACT, [{**_named(key), "seq": seq} for key, seq in reacted.items()])


def _named(key: ReactionKey) -> dict[str, Any]:
    return dict(zip(("message_id", "emoji", "user_id"), key, strict=True))


async def _write_marks(session: AsyncSession, members: Mapping[tuple[UUID, UUID], BatchMember]) -> None:
    """What a read mark has passed is read."""
    marks = [(*key, member.read_seq) for key, member in members.items() if member.moved]
    if marks:
        connection = await session.connection()
        await connection.execute(*_READ.of(session, marks=marks))


def _said(batch: Batch) -> Iterator[tuple[UUID, UUID, str]]:
    """A message is found by what it says at last."""
    said = {message.id: message for message in (*batch.posted, *batch.edited.values())}
    for message in said.values():
        if message.text and not message.deleted:
            yield message.id, message.room_id, message.text


async def _execute(session: AsyncSession, statement: Any, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Once for each set of parameters; not at all if there are none."""
    if parameters:
        connection = await session.connection()
        await connection.execute(statement, parameters)
