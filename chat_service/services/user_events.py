"""Users' events from the bus: the copy of their names is kept, and a deleted user's memberships end.

Events may come late, twice, or in any order: of two about one user, the one with the higher version is true.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import select

from chat_service.models import Member
from chat_service.services.change import RoomChange
from chat_service.services.log import lock_rooms
from chat_service.services.users import remember
from common.database import Database, DatabaseUnavailable
from contracts.envelope import InvalidEnvelope, decode
from contracts.internal_http import UserView
from contracts.messages import EntryKind, UserDeleted, UserProfileChanged, UserRegistered
from messaging.bus import Delivery, TryAgain

UserEvent = UserRegistered | UserProfileChanged | UserDeleted


class UserEventHandler:
    """`committed` is called after each change of a room, to have its entries relayed at once."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """The handler of the queue. A body that is no user event is rejected. Raises `TryAgain` while the database is
        away."""
        newest: dict[UUID, UserEvent] = {}
        for event in (event for delivery in deliveries for event in _read(delivery)):
            known = newest.get(event.user_id)
            if known is None or event.version > known.version:
                newest[event.user_id] = event
        deleted = {event.user_id for event in newest.values() if isinstance(event, UserDeleted)}
        try:
            await self._remember(list(newest.values()), deleted)
            for user_id in deleted:
                await self._end_memberships(user_id)
        except DatabaseUnavailable as error:
            raise TryAgain(str(error)) from error

    async def _remember(self, events: Sequence[UserEvent], deleted: set[UUID]) -> None:
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
                await RoomChange(session, rooms[member.room_id], user_id, member).dismiss(member, EntryKind.MEMBER_LEFT)
            await session.commit()
        self._committed()


def _read(delivery: Delivery) -> list[UserEvent]:
    events: list[UserEvent] = []
    try:
        for envelope in decode(delivery.body, delivery.content_type):
            if not isinstance(envelope.payload, UserEvent):
                raise InvalidEnvelope(f"{envelope.type} is not an event of a user's account")
            events.append(envelope.payload)
    except InvalidEnvelope as error:
        delivery.reject(str(error))
        return []
    return events


def _view(event: UserEvent) -> UserView:
    if isinstance(event, UserDeleted):
        return UserView(id=event.user_id, username="", display_name="", version=event.version)
    return UserView(id=event.user_id, username=event.username, display_name=event.display_name, version=event.version)
