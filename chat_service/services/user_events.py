"""Users' events from the bus: the copy of their names is kept, and a deleted user's memberships end.

Events may come late, twice, or in any order: of two about one user, the one with the higher version is true.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import select

from chat_service.models import Member
from chat_service.services.change import RoomChange
from chat_service.services.log import lock_rooms
from chat_service.services.users import remember
from common.database import Database, DatabaseUnavailable
from common.tracing import traced
from contracts.envelope import InvalidEnvelope, decode
from contracts.internal_http import UserView
from contracts.messages import EntryKind, UserDeleted, UserProfileChanged, UserRegistered
from messaging.bus import Delivery, TryAgain

UserEvent = UserRegistered | UserProfileChanged | UserDeleted

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Received:
    event: UserEvent
    traceparent: str


class UserEventHandler:
    """`committed` is called after each change of a room, to have its entries relayed at once."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """The handler of the queue. A body that is no user event is rejected. Raises `TryAgain` while the database is
        away."""
        received = [one for delivery in deliveries for one in _read(delivery)]
        newest = {one.event.user_id: one for one in sorted(received, key=lambda one: one.event.version)}
        try:
            await self._remember([one.event for one in newest.values()])
            for one in newest.values():
                if isinstance(one.event, UserDeleted):
                    with traced(one.traceparent):
                        await self._end_memberships(one.event.user_id)
        except DatabaseUnavailable as error:
            raise TryAgain(str(error)) from error
        for one in received:
            with traced(one.traceparent):
                log.info("user_event_handled", type=one.event.type, user_id=str(one.event.user_id))

    async def _remember(self, events: Sequence[UserEvent]) -> None:
        deleted = {event.user_id for event in events if isinstance(event, UserDeleted)}
        async with self._database.write() as session:
            await remember(session, [_view(event) for event in events], deleted)
            await session.commit()

    async def _end_memberships(self, user_id: UUID) -> None:
        """Through the log of each room. Nothing is left to do when it is done again."""
        of_user = select(Member).where(Member.user_id == user_id)
        async with self._database.write() as session:
            rooms = await lock_rooms(session, {member.room_id for member in await session.scalars(of_user)})
            # once more, now that nobody else can change them
            for member in await session.scalars(of_user.execution_options(populate_existing=True)):
                change = RoomChange(session, rooms[member.room_id], user_id, member)
                await change.dismiss(member, EntryKind.MEMBER_LEFT)
            await session.commit()
        self._committed()


def _read(delivery: Delivery) -> list[_Received]:
    received = []
    try:
        for envelope in decode(delivery.body, delivery.content_type):
            if not isinstance(envelope.payload, UserEvent):
                raise InvalidEnvelope(f"{envelope.type} is not an event of a user's account")
            received.append(_Received(envelope.payload, envelope.traceparent))
    except InvalidEnvelope as error:
        delivery.reject(str(error))
        return []
    return received


def _view(event: UserEvent) -> UserView:
    if isinstance(event, UserDeleted):
        return UserView(id=event.user_id, username="", display_name="", version=event.version)
    return UserView(id=event.user_id, username=event.username, display_name=event.display_name, version=event.version)
