"""Messages over HTTP: posted, and read page by page."""

import math
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.events import record
from chat_service.models import Member, Message, Room, User
from chat_service.rules import Action
from chat_service.schemas import RoomMessage
from chat_service.services.access import NotAMember, UnknownRoom, see_room
from chat_service.services.conflicts import again_on_conflict
from chat_service.services.message_views import message_views
from chat_service.services.outcomes import Accepted, Refused, Repeated
from chat_service.services.posting import apply
from common.database import Database
from common.errors import Forbidden, InvalidRequest, NotFound, Problem, TooLong
from common.text import MAX_MESSAGE_CHARACTERS
from contracts.entries import MessagePosted
from contracts.messages import Refusal, RoomEntry, SendMessage

_KEYS = UUID("9f3ad1a8-2f7c-5d0e-8a51-6c3d1b2e4f70")
"""The namespace of idempotency keys that are no UUIDs (RFC 9562, section 5.5). To change it is to forget them."""

_NO_GATEWAY = ""


class TextTooLong(TooLong):
    def __init__(self) -> None:
        super().__init__(f"A text may have up to {MAX_MESSAGE_CHARACTERS} characters.")


class Muted(Forbidden):
    """`retry_after` is in seconds."""

    code = Refusal.MUTED.value
    header = "Retry-After"

    def __init__(self, retry_after: float) -> None:
        super().__init__("You are muted in this room.", {"Retry-After": str(math.ceil(retry_after))})


class Messages:
    """`committed` is called after each post, to have its entry relayed at once."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed

    async def post(
        self, user_id: UUID, room_id: UUID, key: str, text: str, reply_to: UUID | None
    ) -> tuple[RoomMessage, bool]:
        """The message, and whether it was posted just now. With a key used before it is the first one's, wherever.

        Raises 404 for the room or what is replied to, 403, also `Muted`, `TextTooLong`; 422 if the key was the id of a
        command that posted nothing.
        """
        send = SendMessage(
            command_id=command_id(key),
            user_id=user_id,
            room_id=room_id,
            text=text,
            reply_to=reply_to,
            gateway_id=_NO_GATEWAY,
        )
        message, posted = await again_on_conflict(partial(self._post, send))
        if posted:
            self._committed()
        return message, posted

    async def _post(self, send: SendMessage) -> tuple[RoomMessage, bool]:
        async with self._database.write() as session:
            (outcome,) = await apply(session, [send])
            if isinstance(outcome, Refused):
                raise await _problem(session, send, outcome)
            assert isinstance(outcome, Accepted | Repeated)  # noqa: S101 - the others are of read marks
            if outcome.entry.kind != MessagePosted.kind:
                raise InvalidRequest((("header", "Idempotency-Key"), "was used for another command"))
            message = await session.get(Message, UUID(outcome.entry.data["message_id"]))
            room = await session.get_one(Room, outcome.entry.room_id)
            if message is None or room.deleted_at is not None:
                message = _emptied(outcome.entry, await session.get_one(User, send.user_id))
            (view,) = await message_views(session, [message])
            if await session.get(Member, (message.room_id, send.user_id)) is None:
                # what others have added is not for who has left, also if they ask for what they posted before
                view = view.model_copy(update={"reactions": {}})
            if isinstance(outcome, Accepted):
                record(session, outcome.entry)
                await session.commit()
        return view, isinstance(outcome, Accepted)

    async def page(
        self, user_id: UUID, room_id: UUID, before: int | None, limit: int
    ) -> tuple[list[RoomMessage], int | None]:
        """Up to `limit` messages, newest first, and what to give as `before` for those that follow, if any do.

        Raises 404, 403.
        """
        query = select(Message).where(Message.room_id == room_id)
        if before is not None:
            query = query.where(Message.seq < before)
        async with self._database.read() as session:
            await see_room(session, room_id, user_id, Action.READ)
            found = (await session.scalars(query.order_by(Message.seq.desc()).limit(limit + 1))).all()
            page = await message_views(session, found[:limit])
        return page, page[-1].seq if len(found) > limit else None


async def _problem(session: AsyncSession, send: SendMessage, refused: Refused) -> Problem:
    match refused.code:
        case Refusal.NOT_A_MEMBER:
            room = await session.get(Room, send.room_id)
            return UnknownRoom() if room is None or room.deleted_at is not None else NotAMember()
        case Refusal.NOT_FOUND:
            return NotFound("The message that this replies to is not in the room.")
        case Refusal.TOO_LONG:
            return TextTooLong()
        case Refusal.MUTED:
            return Muted(refused.retry_after or 0)
        case _:
            return Forbidden("You may not post this.")


def command_id(key: str) -> UUID:
    """The id of the command that an idempotency key stands for: the key itself, if it is a UUID."""
    try:
        return UUID(key)
    except ValueError:
        return uuid5(_KEYS, key)


def _emptied(entry: RoomEntry, sender: User) -> Message:
    """A message whose room was deleted since."""
    return Message(
        id=entry.id,
        room_id=entry.room_id,
        seq=entry.seq,
        sender_id=entry.actor_id,
        sender=sender,
        text="",
        reply_to=None,
        at=entry.at,
        edited_at=None,
        deleted=True,
    )
