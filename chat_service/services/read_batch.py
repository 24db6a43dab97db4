"""What a batch of commands refers to, read with a number of statements that does not depend on how many they are."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, String, Uuid, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import room_entry
from chat_service.models import Base, Edit, Entry, Member, Message, Mute, Reaction, RefusedCommand
from chat_service.rules import refusal_of_emoji
from chat_service.services.batch import Batch, BatchMember, BatchMessage, ReactionKey
from chat_service.services.log import lock_logs
from chat_service.services.outcomes import Command
from chat_service.services.refusals import refused_before
from chat_service.services.rows import ManyRows, each
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, RoomEntry, SendMessage

_ID = {"id": Uuid()}
_MEMBER = {"room_id": Uuid(), "user_id": Uuid()}


def _any(model: type[Base], asked: FromClause, is_asked: ColumnElement[bool]) -> ScalarSelect[bool]:
    """Whether there is one. They are counted: to see whether one exists PostgreSQL goes through the whole table,
    expecting to meet one soon."""
    return select(func.count() > 0).select_from(model).join(asked, is_asked).scalar_subquery()


_MEMBERS = ManyRows(
    lambda members, commands, events: (
        select(
            Member.room_id,
            Member.user_id,
            Member.role,
            Member.read_seq,
            Mute.until,
            _any(Entry, commands, Entry.command_id == commands.c.id),
            _any(RefusedCommand, events, RefusedCommand.event_id == events.c.id),
        )
        .join(members, (Member.room_id == members.c.room_id) & (Member.user_id == members.c.user_id))
        .outerjoin(Mute, (Mute.room_id == Member.room_id) & (Mute.user_id == Member.user_id))
    ),
    members=_MEMBER,
    commands=_ID,
    events=_ID,
)
_DONE = ManyRows(lambda commands: select(Entry).join(commands, Entry.command_id == commands.c.id), commands=_ID)
_MESSAGES = ManyRows(
    lambda wanted: select(
        Message.id, Message.room_id, Message.seq, Message.sender_id, Message.reply_to, Message.at, Message.deleted
    ).join(wanted, Message.id == wanted.c.id),
    wanted=_ID,
)
_EMOJIS = ManyRows(
    lambda messages: (
        select(Reaction.message_id, Reaction.emoji, func.count())
        .join(messages, Reaction.message_id == messages.c.id)
        .group_by(Reaction.message_id, Reaction.emoji)
    ),
    messages=_ID,
)
_STANDING = ManyRows(
    lambda wanted: select(Reaction.message_id, Reaction.emoji, Reaction.user_id).join(
        wanted,
        (Reaction.message_id == wanted.c.message_id)
        & (Reaction.emoji == wanted.c.emoji)
        & (Reaction.user_id == wanted.c.user_id),
    ),
    wanted={"message_id": Uuid(), "emoji": String(), "user_id": Uuid()},
)
_EDITS = ManyRows(
    lambda messages: (
        select(Edit.message_id, func.count()).join(messages, Edit.message_id == messages.c.id).group_by(Edit.message_id)
    ),
    messages=_ID,
)


async def read_batch(session: AsyncSession, commands: Sequence[Command], event_ids: Sequence[UUID]) -> Batch:
    """What the commands refer to. Their rooms are locked first: what is read after that, nobody else can change."""
    answered = [command for command in commands if not isinstance(command, MarkRead)]
    rooms = await lock_logs(session, {command.room_id for command in commands})
    command_ids = {command.command_id for command in answered}
    members, any_done, any_refused = await _members(
        session, {(command.room_id, command.user_id) for command in commands}, command_ids, event_ids
    )
    done = await _done(session, command_ids) if any_done else {}
    refused = await refused_before(session, event_ids) if any_refused else {}
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
    return Batch(rooms, members, done, messages, standing, refused)


async def _members(
    session: AsyncSession, keys: set[tuple[UUID, UUID]], command_ids: Collection[UUID], event_ids: Collection[UUID]
) -> tuple[dict[tuple[UUID, UUID], BatchMember], bool, bool]:
    """Those there are; and, as it hardly ever is so, whether any of the commands may have been carried out before, and
    any of the events refused."""
    connection = await session.connection()
    found = await connection.execute(
        *_MEMBERS.of(session, members=keys, commands=each(command_ids), events=each(event_ids))
    )
    any_done = any_refused = True  # unless a member's row says otherwise
    members: dict[tuple[UUID, UUID], BatchMember] = {}
    for row in found:
        room_id, user_id, role, read_seq, muted_until, any_done, any_refused = row
        members[room_id, user_id] = BatchMember(role, read_seq, muted_until)
    return members, any_done, any_refused


async def _done(session: AsyncSession, command_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], RoomEntry]:
    found = await session.scalars(*_DONE.of(session, commands=each(command_ids)))
    return {(entry.actor_id, entry.command_id): room_entry(entry) for entry in found if entry.command_id}


async def _messages(session: AsyncSession, message_ids: Collection[UUID]) -> dict[UUID, BatchMessage]:
    if not message_ids:
        return {}
    found = await session.execute(*_MESSAGES.of(session, wanted=each(message_ids)))
    return {values[0]: BatchMessage(*values) for values in found}


async def _emojis(session: AsyncSession, message_ids: Collection[UUID]) -> Sequence[tuple[UUID, str, int]]:
    if not message_ids:
        return []
    found = await session.execute(*_EMOJIS.of(session, messages=each(message_ids)))
    return [(message_id, emoji, users) for message_id, emoji, users in found]


async def _standing(session: AsyncSession, keys: Collection[ReactionKey]) -> set[ReactionKey]:
    if not keys:
        return set()
    found = await session.execute(*_STANDING.of(session, wanted=keys))
    return {(message_id, emoji, user_id) for message_id, emoji, user_id in found}


async def _edits(session: AsyncSession, message_ids: Collection[UUID]) -> Sequence[tuple[UUID, int]]:
    """How often each has been edited that has been."""
    if not message_ids:
        return []
    found = await session.execute(*_EDITS.of(session, messages=each(message_ids)))
    return [(message_id, number) for message_id, number in found]
