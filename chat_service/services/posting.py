"""What commands do to rooms: for many at once, with a number of statements that does not depend on how many."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, bindparam, column, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import Entry, Member, Message, Room
from chat_service.rules import Action, refusal, refusal_of_text
from chat_service.services.log import append, lock_rooms
from chat_service.services.rows import rows
from common.ids import uuid7
from contracts.messages import EntryKind, MarkRead, Refusal, SendMessage

Command = SendMessage | MarkRead


@dataclass(frozen=True, slots=True)
class Posted:
    entry: Entry


@dataclass(frozen=True, slots=True)
class Repeated:
    """The command took effect before: this is the entry that it made."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Refused:
    code: Refusal


@dataclass(frozen=True, slots=True)
class Moved:
    """The user's read mark now stands here."""

    seq: int


Outcome = Posted | Repeated | Refused | Moved | None
"""None: a read mark that stays where it was."""


async def apply(session: AsyncSession, commands: Sequence[Command]) -> list[Outcome]:
    """Carry out commands in order, in the caller's transaction; one outcome for each.

    Raises `IntegrityError` if another transaction is just committing one of the commands in another room.
    """
    rooms = await lock_rooms(session, {command.room_id for command in commands})
    members = await _members(session, {(command.room_id, command.user_id) for command in commands})
    sends = [command for command in commands if isinstance(command, SendMessage)]
    entries = await _entries(session, {(send.user_id, send.command_id) for send in sends})
    messages = await _messages(session, {send.reply_to for send in sends if send.reply_to is not None})
    batch = _Batch(session, rooms, members, entries, messages)
    outcomes = [batch.carry_out(command) for command in commands]
    await session.flush()
    await _move_marks(session, batch.marks)
    return outcomes


class _Batch:
    """What the commands refer to, as they change it one after the other."""

    def __init__(
        self,
        session: AsyncSession,
        rooms: dict[UUID, Room],
        members: dict[tuple[UUID, UUID], Member],
        entries: dict[tuple[UUID, UUID], Entry],
        messages: set[tuple[UUID, UUID]],
    ) -> None:
        self._session = session
        self._rooms = rooms
        self._members = members
        self._entries = entries
        self._messages = messages
        self.marks: dict[tuple[UUID, UUID], int] = {}

    def carry_out(self, command: Command) -> Outcome:
        match command:
            case SendMessage():
                return self._send(command)
            case MarkRead():
                return self._mark(command)

    def _send(self, send: SendMessage) -> Outcome:
        done = self._entries.get((send.user_id, send.command_id))
        if done is not None:
            return Repeated(done)
        room = self._rooms.get(send.room_id)
        member = self._members.get((send.room_id, send.user_id))
        if room is None or member is None:
            return Refused(Refusal.NOT_A_MEMBER)
        refused = refusal(Action.POST, room.kind, member.role) or refusal_of_text(send.text)
        if refused is not None:
            return Refused(refused)
        if send.reply_to is not None and (room.id, send.reply_to) not in self._messages:
            return Refused(Refusal.NOT_FOUND)
        entry = self._post(room, send)
        member.read_count += 1
        self._entries[send.user_id, send.command_id] = entry
        return Posted(entry)

    def _post(self, room: Room, send: SendMessage) -> Entry:
        message_id = uuid7()
        data = {
            "message_id": str(message_id),
            "text": send.text,
            "reply_to": None if send.reply_to is None else str(send.reply_to),
        }
        kind, command_id = EntryKind.MESSAGE_POSTED, send.command_id
        entry = append(self._session, room, kind, send.user_id, data, id=message_id, command_id=command_id)
        room.message_count += 1
        message = Message(
            id=message_id,
            room_id=room.id,
            seq=entry.seq,
            sender_id=send.user_id,
            text=send.text,
            reply_to=send.reply_to,
            at=entry.at,
            edited_at=None,
            deleted=False,
        )
        self._session.add(message)
        return entry

    def _mark(self, mark: MarkRead) -> Outcome:
        key = (mark.room_id, mark.user_id)
        room, member = self._rooms.get(mark.room_id), self._members.get(key)
        if room is None or member is None:
            return None
        seq = min(mark.seq, room.head)
        if seq <= self.marks.get(key, member.read_seq):
            return None
        self.marks[key] = seq
        return Moved(seq)


async def _members(session: AsyncSession, keys: set[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Member]:
    wanted = rows("wanted", (column("room_id", Uuid), column("user_id", Uuid)), keys)
    query = select(Member).join(wanted, (Member.room_id == wanted.c.room_id) & (Member.user_id == wanted.c.user_id))
    return {(member.room_id, member.user_id): member for member in await session.scalars(query)}


async def _entries(session: AsyncSession, keys: set[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Entry]:
    """The entries that these (user, command id) have made already, in whichever room."""
    query = select(Entry).where(Entry.command_id.in_({command_id for _, command_id in keys}))
    found = {(entry.actor_id, entry.command_id): entry for entry in await session.scalars(query)}
    return {key: found[key] for key in keys if key in found}


async def _messages(session: AsyncSession, message_ids: set[UUID]) -> set[tuple[UUID, UUID]]:
    """Those of the messages that exist, with their rooms before them."""
    if not message_ids:
        return set()
    found = await session.execute(select(Message.room_id, Message.id).where(Message.id.in_(message_ids)))
    return {(room_id, message_id) for room_id, message_id in found}


async def _move_marks(session: AsyncSession, marks: dict[tuple[UUID, UUID], int]) -> None:
    if not marks:
        return
    room_id, user_id = bindparam("of_room", type_=Uuid()), bindparam("of_user", type_=Uuid())
    seq = bindparam("to_seq", type_=Member.read_seq.type)
    passed = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.room_id == room_id,
            Message.seq > Member.read_seq,
            Message.seq <= seq,
            Message.sender_id != user_id,
        )
        .scalar_subquery()
    )
    move = (
        update(Member)
        .where(Member.room_id == room_id, Member.user_id == user_id)
        .values(read_seq=seq, read_count=Member.read_count + passed)
    )
    connection = await session.connection()
    await connection.execute(
        move, [{"of_room": room, "of_user": user, "to_seq": to} for (room, user), to in marks.items()]
    )
