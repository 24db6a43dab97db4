"""A batch of commands in memory: judged and carried out one after the other on what they refer to."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from chat_service.rules import (
    MAX_EDITS,
    MAX_EMOJIS,
    MUTED_MAY_NOT,
    Action,
    refusal,
    refusal_of_deletion,
    refusal_of_emoji,
    refusal_of_text,
)
from chat_service.services.log import Log, append
from chat_service.services.outcomes import Accepted, AnsweredCommand, Command, Moved, Outcome, Refused, Repeated
from common.ids import now, uuid7
from contracts.entries import MessageDeleted, MessageEdited, MessagePosted, ReactionAdded, ReactionRemoved
from contracts.fields import Role
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, Refusal, RoomEntry, SendMessage
from contracts.routing import origin_of

_ACTIONS: dict[type[AnsweredCommand], Action] = {
    SendMessage: Action.POST,
    EditMessage: Action.EDIT,
    DeleteMessage: Action.DELETE_OWN,
    ReactToMessage: Action.REACT,
}


@dataclass(slots=True)
class BatchMember:
    """What changes about a member: how many messages they post, and how far their read mark moves."""

    role: Role
    read_seq: int
    muted_until: datetime | None
    posted: int = 0
    moved: bool = False


@dataclass(slots=True)
class BatchMessage:
    """A message that is referred to. `edits` are the seqs of its edits in this batch, and `edited_before` counts those
    before it, if it has any; `text` is the last one's or the one posted in it; `emojis` is how many have reacted with
    each."""

    id: UUID
    room_id: UUID
    seq: int
    sender_id: UUID
    reply_to: UUID | None
    at: datetime
    deleted: bool
    edited_before: int = 0
    text: str | None = None
    edited_at: datetime | None = None
    edits: list[int] = field(default_factory=list)
    emojis: Counter[str] = field(default_factory=Counter)


ReactionKey = tuple[UUID, str, UUID]
"""Message, emoji, user."""


@dataclass(slots=True)
class Batch:
    """What commands refer to, as they change it.

    `members` are by (room, user), `done` the entries of earlier commands by (user, command id), `messages` those that
    are edited, deleted, reacted or replied to, `standing` the reactions that are there, of those that commands name.
    What has changed: `posted`, `edited` and `deleted` messages, and the reactions that are `unreacted`, and after that
    `reacted`, with the seq of the entry.

    `refused` is by the id of the event that brought a command, which may come again; `newly_refused` are those among
    it that came for the first time.
    """

    rooms: dict[UUID, Log]
    members: dict[tuple[UUID, UUID], BatchMember]
    done: dict[tuple[UUID, UUID], RoomEntry]
    messages: dict[UUID, BatchMessage]
    standing: set[ReactionKey]
    refused: dict[UUID, Refused]
    entries: list[RoomEntry] = field(default_factory=list)
    posted: list[BatchMessage] = field(default_factory=list)
    edited: dict[UUID, BatchMessage] = field(default_factory=dict)
    deleted: dict[UUID, BatchMessage] = field(default_factory=dict)
    unreacted: set[ReactionKey] = field(default_factory=set)
    reacted: dict[ReactionKey, int] = field(default_factory=dict)
    newly_refused: dict[UUID, Refused] = field(default_factory=dict)

    def carry_out(self, command: Command, event_id: UUID | None) -> Outcome:
        if isinstance(command, MarkRead):
            return self._mark(command)
        done = self.done.get((command.user_id, command.command_id))
        if done is not None:
            return Repeated(done)
        if event_id is not None and event_id in self.refused:
            return self.refused[event_id]
        outcome = self._judge(command)
        # without a room nobody can be let in meanwhile
        if isinstance(outcome, Refused) and event_id is not None and command.room_id in self.rooms:
            self.refused[event_id] = self.newly_refused[event_id] = outcome
        return outcome

    def _judge(self, command: AnsweredCommand) -> Accepted | Refused:
        room = self.rooms.get(command.room_id)
        member = self.members.get((command.room_id, command.user_id))
        if room is None or member is None:
            return Refused(Refusal.NOT_A_MEMBER)
        refused = _refusal_of_member(command, room, member)
        if refused is not None:
            return refused
        code = self._refusal(command, room, member)
        if code is not None:
            return Refused(code)
        entry = self._effect(command, room, member)
        self.entries.append(entry)
        self.done[command.user_id, command.command_id] = entry
        return Accepted(entry)

    def forget_deleted(self) -> None:
        """Take the texts of messages that are deleted by now out of their entries: these are told as they are
        committed, and a repeat brings no text back."""
        deleted = {str(message_id) for message_id in self.deleted}
        for entry in self.done.values():
            if entry.data["message_id"] in deleted and "text" in entry.data:
                entry.data["text"] = None

    def _refusal(self, command: AnsweredCommand, room: Log, member: BatchMember) -> Refusal | None:
        """Why not, to somebody who may do such things in this room."""
        match command:
            case SendMessage(text=text, reply_to=reply_to):
                missing = reply_to is not None and self._message(room, reply_to) is None
                return refusal_of_text(text) or (Refusal.NOT_FOUND if missing else None)
            case EditMessage(text=text, message_id=message_id):
                message = self._readable(room, message_id)
                if message is None:
                    return Refusal.NOT_FOUND
                if message.sender_id != command.user_id or message.edited_before + len(message.edits) >= MAX_EDITS:
                    return Refusal.FORBIDDEN
                return refusal_of_text(text)
            case DeleteMessage(message_id=message_id):
                message = self._readable(room, message_id)
                if message is None:
                    return Refusal.NOT_FOUND
                return refusal_of_deletion(room.kind, member.role, own=message.sender_id == command.user_id)
            case ReactToMessage(message_id=message_id, emoji=emoji, on=on):
                message = self._readable(room, message_id)
                if message is None:
                    return Refusal.NOT_FOUND
                emojis = +message.emojis  # those that anybody is left with
                too_many = on and emoji not in emojis and len(emojis) >= MAX_EMOJIS
                return refusal_of_emoji(emoji) or (Refusal.FORBIDDEN if too_many else None)

    def _effect(self, command: AnsweredCommand, room: Log, member: BatchMember) -> RoomEntry:
        match command:
            case SendMessage():
                return self._post(command, room, member)
            case EditMessage(text=text):
                message = self.messages[command.message_id]
                entry = _append(room, command, MessageEdited(message_id=message.id, text=text))
                message.text, message.edited_at = text, entry.at
                message.edits.append(entry.seq)
                self.edited[message.id] = message
            case DeleteMessage():
                message = self.messages[command.message_id]
                entry = _append(room, command, MessageDeleted(message_id=message.id))
                message.deleted = True
                self.deleted[message.id] = message
            case ReactToMessage(emoji=emoji, on=on):
                message = self.messages[command.message_id]
                changed = ReactionAdded if on else ReactionRemoved
                entry = _append(room, command, changed(message_id=message.id, emoji=emoji))
                self._react(message, (message.id, emoji, command.user_id), entry.seq if on else None)
        return entry

    def _post(self, send: SendMessage, room: Log, member: BatchMember) -> RoomEntry:
        message_id = uuid7()
        data = MessagePosted(message_id=message_id, text=send.text, reply_to=send.reply_to)
        entry = _append(room, send, data, id=message_id)
        message = BatchMessage(
            message_id, room.id, entry.seq, send.user_id, send.reply_to, entry.at, deleted=False, text=send.text
        )
        self.messages[message_id] = message
        self.posted.append(message)
        room.message_count += 1
        member.posted += 1
        return entry

    def _react(self, message: BatchMessage, key: ReactionKey, seq: int | None) -> None:
        """Add a reaction with the seq of its entry, None to remove it. It keeps its place if it is there already."""
        _, emoji, _ = key
        if seq is not None and key not in self.standing:
            self.standing.add(key)
            message.emojis[emoji] += 1
            self.reacted[key] = seq
        elif seq is None and key in self.standing:
            self.standing.remove(key)
            message.emojis[emoji] -= 1
            self.reacted.pop(key, None)
            self.unreacted.add(key)

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

    def _message(self, room: Log, message_id: UUID) -> BatchMessage | None:
        message = self.messages.get(message_id)
        return message if message is not None and message.room_id == room.id else None

    def _readable(self, room: Log, message_id: UUID) -> BatchMessage | None:
        """One that still says something."""
        message = self._message(room, message_id)
        return None if message is None or message.deleted else message


def _refusal_of_member(command: AnsweredCommand, room: Log, member: BatchMember) -> Refused | None:
    action = _ACTIONS[type(command)]
    code = refusal(action, room.kind, member.role)
    if code is not None:
        return Refused(code)
    if action in MUTED_MAY_NOT and member.muted_until is not None:
        seconds = (member.muted_until - now()).total_seconds()
        return Refused(Refusal.MUTED, math.ceil(seconds * 1000) / 1000) if seconds > 0 else None
    return None


def _append(
    room: Log,
    command: AnsweredCommand,
    data: MessagePosted | MessageEdited | MessageDeleted | ReactionAdded | ReactionRemoved,
    *,
    id: UUID | None = None,
) -> RoomEntry:
    origin = origin_of(command.gateway_id)
    return append(room, command.user_id, data, id=id, command_id=command.command_id, origin=origin)
