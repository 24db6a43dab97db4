"""What commands do to rooms: for many at once, with a number of statements that does not depend on how many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import room_entry
from chat_service.models import Entry, Member, Message, Room
from chat_service.rules import Action, refusal, refusal_of_text
from chat_service.services.log import append, lock_rooms, store
from chat_service.services.rows import rows
from common.ids import uuid7
from contracts.entries import MessagePosted
from contracts.fields import Role
from contracts.messages import MarkRead, Refusal, RoomEntry, SendMessage

Command = SendMessage | MarkRead


@dataclass(frozen=True, slots=True)
class Posted:
    entry: RoomEntry


@dataclass(frozen=True, slots=True)
class Repeated:
    """The command took effect before: this is the entry that it made."""

    entry: RoomEntry


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
    sends = [command for command in commands if isinstance(command, SendMessage)]
    batch = _Batch(
        # first of all: what is read after it, nobody else can change
        rooms=await lock_rooms(session, {command.room_id for command in commands}),
        members=await _members(session, {(command.room_id, command.user_id) for command in commands}),
        done=await _done(session, {send.command_id for send in sends}),
        messages=await _messages(session, {send.reply_to for send in sends if send.reply_to is not None}),
    )
    outcomes = [batch.carry_out(command) for command in commands]
    await session.flush()
    posted = [
        (command, outcome.entry)
        for command, outcome in zip(commands, outcomes, strict=True)
        if isinstance(command, SendMessage) and isinstance(outcome, Posted)
    ]
    await store(session, [entry for _, entry in posted])
    await _store_messages(session, posted)
    await _store_reading(session, batch.members)
    return outcomes


@dataclass(slots=True)
class _Member:
    """What changes about a member: how many messages they post, and how far their read mark moves."""

    role: Role
    read_seq: int
    posted: int = 0
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Batch:
    """What commands refer to, as they change it one after the other.

    `members` are by (room, user), `done` the entries of earlier commands by (user, command id), and `messages` are
    (room, message) of those that are replied to.
    """

    rooms: dict[UUID, Room]
    members: dict[tuple[UUID, UUID], _Member]
    done: dict[tuple[UUID, UUID], RoomEntry]
    messages: set[tuple[UUID, UUID]]

    def carry_out(self, command: Command) -> Outcome:
        match command:
            case SendMessage():
                return self._send(command)
            case MarkRead():
                return self._mark(command)

    def _send(self, send: SendMessage) -> Outcome:
        done = self.done.get((send.user_id, send.command_id))
        if done is not None:
            return Repeated(done)
        room = self.rooms.get(send.room_id)
        member = self.members.get((send.room_id, send.user_id))
        if room is None or member is None:
            return Refused(Refusal.NOT_A_MEMBER)
        refused = refusal(Action.POST, room.kind, member.role) or refusal_of_text(send.text)
        if refused is not None:
            return Refused(refused)
        if send.reply_to is not None and (room.id, send.reply_to) not in self.messages:
            return Refused(Refusal.NOT_FOUND)
        entry = _post(room, send)
        member.posted += 1
        self.done[send.user_id, send.command_id] = entry
        return Posted(entry)

    def _mark(self, mark: MarkRead) -> Outcome:
        room = self.rooms.get(mark.room_id)
        member = self.members.get((mark.room_id, mark.user_id))
        if room is None or member is None:
            return None
        seq = min(mark.seq, room.head)
        if seq <= member.read_seq:
            return None
        member.read_seq, member.moved = seq, True
        return Moved(seq)


def _post(room: Room, send: SendMessage) -> RoomEntry:
    message_id = uuid7()
    posted = MessagePosted(message_id=message_id, text=send.text, reply_to=send.reply_to)
    room.message_count += 1
    return append(room, send.user_id, posted, id=message_id, command_id=send.command_id)


async def _members(session: AsyncSession, keys: set[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], _Member]:
    wanted = rows(session, {"room_id": Uuid(), "user_id": Uuid()}, list(keys))
    query = select(Member.room_id, Member.user_id, Member.role, Member.read_seq).join(
        wanted, (Member.room_id == wanted.c.room_id) & (Member.user_id == wanted.c.user_id)
    )
    found = await session.execute(query)
    return {(room_id, user_id): _Member(role, read_seq) for room_id, user_id, role, read_seq in found}


async def _done(session: AsyncSession, command_ids: set[UUID]) -> dict[tuple[UUID, UUID], RoomEntry]:
    if not command_ids:
        return {}
    wanted = rows(session, {"command_id": Uuid()}, [(command_id,) for command_id in command_ids])
    found = await session.scalars(select(Entry).join(wanted, Entry.command_id == wanted.c.command_id))
    return {(entry.actor_id, entry.command_id): room_entry(entry) for entry in found if entry.command_id}


async def _messages(session: AsyncSession, message_ids: set[UUID]) -> set[tuple[UUID, UUID]]:
    if not message_ids:
        return set()
    found = await session.execute(select(Message.room_id, Message.id).where(Message.id.in_(message_ids)))
    return {(room_id, message_id) for room_id, message_id in found}


async def _store_messages(session: AsyncSession, posted: Sequence[tuple[SendMessage, RoomEntry]]) -> None:
    if not posted:
        return
    messages = [
        {
            "id": entry.id,
            "room_id": entry.room_id,
            "seq": entry.seq,
            "sender_id": send.user_id,
            "text": send.text,
            "reply_to": send.reply_to,
            "at": entry.at,
            "edited_at": None,
            "deleted": False,
        }
        for send, entry in posted
    ]
    connection = await session.connection()
    await connection.execute(insert(Message), messages)


async def _store_reading(session: AsyncSession, members: Mapping[tuple[UUID, UUID], _Member]) -> None:
    """What a read mark has passed is read, and so is what one has posted oneself."""
    changed = [
        {"in_room": room_id, "of_user": user_id, "read_up_to": member.read_seq, "posted": member.posted}
        for (room_id, user_id), member in members.items()
        if member.moved or member.posted
    ]
    if not changed:
        return
    room_id, user_id = bindparam("in_room", type_=Uuid()), bindparam("of_user", type_=Uuid())
    read_up_to, posted = bindparam("read_up_to", type_=BigInteger()), bindparam("posted", type_=BigInteger())
    passed = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.room_id == room_id,
            Message.seq > Member.read_seq,
            Message.seq <= read_up_to,
            Message.sender_id != user_id,
        )
        .scalar_subquery()
    )
    read = (
        update(Member)
        .where(Member.room_id == room_id, Member.user_id == user_id)
        .values(read_seq=read_up_to, read_count=Member.read_count + posted + passed)
    )
    connection = await session.connection()
    await connection.execute(read, changed)
