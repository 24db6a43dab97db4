"""A batch of commands and the database: what they refer to is read, and what they change is written, with a number of
statements that does not depend on how many they are."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, String, Uuid, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import room_entry
from chat_service.models import Edit, Entry, Member, Message, Mute, Reaction
from chat_service.rules import refusal_of_emoji
from chat_service.services.batch import Batch, BatchMember, BatchMessage, ReactionKey
from chat_service.services.log import erase_texts, lock_rooms, store
from chat_service.services.outcomes import Command
from chat_service.services.refusals import refused_before, remember_refused
from chat_service.services.rows import ManyRows, each
from chat_service.services.search_index import index, take_out
from common.database import UtcDateTime
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, RoomEntry, SendMessage

_ID = {"id": Uuid()}

_MEMBERS = ManyRows(
    {"room_id": Uuid(), "user_id": Uuid()},
    lambda wanted: (
        select(Member.room_id, Member.user_id, Member.role, Member.read_seq, Mute.until)
        .join(wanted, (Member.room_id == wanted.c.room_id) & (Member.user_id == wanted.c.user_id))
        .outerjoin(Mute, (Mute.room_id == Member.room_id) & (Mute.user_id == Member.user_id))
    ),
)
_DONE = ManyRows(_ID, lambda wanted: select(Entry).join(wanted, Entry.command_id == wanted.c.id))
_MESSAGES = ManyRows(
    _ID,
    lambda wanted: select(
        Message.id, Message.room_id, Message.seq, Message.sender_id, Message.reply_to, Message.at, Message.deleted
    ).join(wanted, Message.id == wanted.c.id),
)
_EMOJIS = ManyRows(
    _ID,
    lambda wanted: (
        select(Reaction.message_id, Reaction.emoji, func.count())
        .join(wanted, Reaction.message_id == wanted.c.id)
        .group_by(Reaction.message_id, Reaction.emoji)
    ),
)
_STANDING = ManyRows(
    {"message_id": Uuid(), "emoji": String(), "user_id": Uuid()},
    lambda wanted: select(Reaction.message_id, Reaction.emoji, Reaction.user_id).join(
        wanted,
        (Reaction.message_id == wanted.c.message_id)
        & (Reaction.emoji == wanted.c.emoji)
        & (Reaction.user_id == wanted.c.user_id),
    ),
)
_EDITS = ManyRows(
    _ID,
    lambda wanted: (
        select(Edit.message_id, func.count()).join(wanted, Edit.message_id == wanted.c.id).group_by(Edit.message_id)
    ),
)

_POST, _EDIT, _REACT = insert(Message), insert(Edit), insert(Reaction)
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
_IN_ROOM, _OF_USER = bindparam("in_room", type_=Uuid()), bindparam("of_user", type_=Uuid())
_READ_UP_TO, _POSTED = bindparam("read_up_to", type_=BigInteger()), bindparam("posted", type_=BigInteger())
_PASSED = (
    select(func.count())
    .select_from(Message)
    .where(
        Message.room_id == _IN_ROOM,
        Message.seq > Member.read_seq,
        Message.seq <= _READ_UP_TO,
        Message.sender_id != _OF_USER,
    )
    .scalar_subquery()
)
_READ = (
    update(Member)
    .where(Member.room_id == _IN_ROOM, Member.user_id == _OF_USER)
    .values(read_seq=_READ_UP_TO, read_count=Member.read_count + _POSTED + _PASSED)
)


async def read_batch(session: AsyncSession, commands: Sequence[Command], event_ids: Sequence[UUID]) -> Batch:
    """What the commands refer to. Their rooms are locked first: what is read after that, nobody else can change."""
    answered = [command for command in commands if not isinstance(command, MarkRead)]
    rooms = await lock_rooms(session, {command.room_id for command in commands})
    members = await _members(session, {(command.room_id, command.user_id) for command in commands})
    done = await _done(session, {command.command_id for command in answered})
    messages = await _messages(
        session,
        {c.message_id for c in answered if isinstance(c, EditMessage | DeleteMessage | ReactToMessage)}
        | {c.reply_to for c in answered if isinstance(c, SendMessage) and c.reply_to is not None},
    )
    edits = await _edits(session, {command.message_id for command in answered if isinstance(command, EditMessage)})
    for message_id, number in edits:
        messages[message_id].edited_before = number
    # not every text can be asked about: PostgreSQL has no NUL
    reacts = [c for c in answered if isinstance(c, ReactToMessage) and refusal_of_emoji(c.emoji) is None]
    for message_id, emoji, users in await _emojis(session, {react.message_id for react in reacts}):
        messages[message_id].emojis[emoji] = users
    standing = await _standing(session, {(react.message_id, react.emoji, react.user_id) for react in reacts})
    return Batch(rooms, members, done, messages, standing, await refused_before(session, event_ids))


async def write_batch(session: AsyncSession, batch: Batch) -> None:
    """Raises `IntegrityError` if another transaction is just committing one of the commands in another room."""
    await session.flush()
    await store(session, batch.entries)
    await _write_posted(session, batch.posted)
    await _write_edited(session, batch.edited.values())
    await _write_reactions(session, batch.unreacted, batch.reacted)
    await _write_deleted(session, batch.deleted.values())
    await _write_words(session, batch)
    await _write_reading(session, batch.members)
    await remember_refused(session, batch.newly_refused)


async def _members(session: AsyncSession, keys: set[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], BatchMember]:
    return {
        (room_id, user_id): BatchMember(role, read_seq, muted_until)
        for room_id, user_id, role, read_seq, muted_until in await session.execute(*_MEMBERS.of(session, list(keys)))
    }


async def _done(session: AsyncSession, command_ids: set[UUID]) -> dict[tuple[UUID, UUID], RoomEntry]:
    if not command_ids:
        return {}
    found = await session.scalars(*_DONE.of(session, each(command_ids)))
    return {(entry.actor_id, entry.command_id): room_entry(entry) for entry in found if entry.command_id}


async def _messages(session: AsyncSession, message_ids: Collection[UUID]) -> dict[UUID, BatchMessage]:
    if not message_ids:
        return {}
    found = await session.execute(*_MESSAGES.of(session, each(message_ids)))
    return {values[0]: BatchMessage(*values) for values in found}


async def _emojis(session: AsyncSession, message_ids: Collection[UUID]) -> Sequence[tuple[UUID, str, int]]:
    if not message_ids:
        return []
    found = await session.execute(*_EMOJIS.of(session, each(message_ids)))
    return [(message_id, emoji, users) for message_id, emoji, users in found]


async def _standing(session: AsyncSession, keys: Collection[ReactionKey]) -> set[ReactionKey]:
    if not keys:
        return set()
    found = await session.execute(*_STANDING.of(session, list(keys)))
    return {(message_id, emoji, user_id) for message_id, emoji, user_id in found}


async def _edits(session: AsyncSession, message_ids: Collection[UUID]) -> Sequence[tuple[UUID, int]]:
    """How often each has been edited that has been."""
    if not message_ids:
        return []
    found = await session.execute(*_EDITS.of(session, each(message_ids)))
    return [(message_id, number) for message_id, number in found]


async def _write_posted(session: AsyncSession, posted: Sequence[BatchMessage]) -> None:
    messages = [
        {
            "id": message.id,
            "room_id": message.room_id,
            "seq": message.seq,
            "sender_id": message.sender_id,
            "text": message.text,
            "reply_to": message.reply_to,
            "at": message.at,
            "edited_at": None,
            "deleted": False,
        }
        for message in posted
    ]
    await _execute(session, _POST, messages)


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


async def _write_words(session: AsyncSession, batch: Batch) -> None:
    """A message is found by what it says at last."""
    await take_out(session, [*batch.edited, *batch.deleted])
    said = {message.id: message for message in (*batch.posted, *batch.edited.values())}
    texts = [
        (id, message.room_id, message.text) for id, message in said.items() if message.text and not message.deleted
    ]
    await index(session, texts)


async def _write_reading(session: AsyncSession, members: Mapping[tuple[UUID, UUID], BatchMember]) -> None:
    """What a read mark has passed is read, and so is what one has posted oneself."""
    changed = [
        {"in_room": room_id, "of_user": user_id, "read_up_to": member.read_seq, "posted": member.posted}
        for (room_id, user_id), member in members.items()
        if member.moved or member.posted
    ]
    await _execute(session, _READ, changed)


async def _execute(session: AsyncSession, statement: Any, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Once for each set of parameters; not at all if there are none."""
    if parameters:
        connection = await session.connection()
        await connection.execute(statement, parameters)
