"""Users' events from the bus: the copy of their names is kept; a deleted user's memberships end, and the names go.

Events may come late, twice, or in any order: of two about one user, the one with the higher version is true.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from sqlalchemy import delete, select

from chat_service.models import Ban, Member, Mute
from chat_service.services.change import RoomChange
from chat_service.services.log import erase_names, lock_rooms
from chat_service.services.users import remember
from common.database import Database, DatabaseUnavailable
from common.tracing import traced
from contracts.entries import DELETED_DISPLAY_NAME, DELETED_USERNAME, MemberLeft
from contracts.envelope import Envelope, Reader
from contracts.internal_http import UserView
from contracts.messages import UserDeleted, UserProfileChanged, UserRegistered
from messaging.bus import Delivery, TryAgain

UserEvent = UserRegistered | UserProfileChanged | UserDeleted

_READER: Reader[UserEvent] = Reader(UserRegistered, UserProfileChanged, UserDeleted)

_MOST_ROOMS = 50
"""That are kept from everybody else at once."""

log = structlog.get_logger(__name__)


class UserEventHandler:
    """`committed` is called after each change of a room, to have its entries relayed at once."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """The handler of the queue. A body in which anything is no user event is rejected, and the rest of it heeded.

        Raises `TryAgain` while the database is away.
        """
        received: list[Envelope[UserEvent]] = []
        for delivery in deliveries:
            envelopes, faults = _READER.read(delivery.body, delivery.content_type)
            received += envelopes
            if faults:
                delivery.reject("; ".join(faults))
        newest = {one.payload.user_id: one for one in sorted(received, key=lambda one: one.payload.version)}
        try:
            await self._remember([one.payload for one in newest.values()])
            for one in newest.values():
                if isinstance(one.payload, UserDeleted):
                    with traced(one.traceparent):
                        await self._forget(one.payload.user_id)
        except DatabaseUnavailable as error:
            raise TryAgain(str(error)) from error
        for one in received:
            with traced(one.traceparent):
                log.info("user_event_handled", type=one.payload.type, user_id=one.payload.user_id)

    async def _remember(self, events: Sequence[UserEvent]) -> None:
        deleted = {event.user_id for event in events if isinstance(event, UserDeleted)}
        async with self._database.write() as session:
            await remember(session, [_view(event) for event in events], deleted)
            await session.commit()

    async def _forget(self, user_id: UUID) -> None:
        """End the memberships, through the log of each room, with bans and mutes, and erase the names from the logs of
        all rooms, also those left long ago. Nothing is left to do when it is done again.

        Some rooms at a time, so that none is kept from everybody else for long. No membership can come meanwhile."""
        while await self._end_memberships(user_id):
            self._committed()
        async with self._database.write() as session:
            for table in (Ban, Mute):
                await session.execute(delete(table).where(table.user_id == user_id))
            await session.commit()
        while await self._erase_names(user_id):
            pass

    async def _end_memberships(self, user_id: UUID) -> bool:
        """Of up to `_MOST_ROOMS`. Says whether there were any."""
        some = select(Member.room_id).where(Member.user_id == user_id).order_by(Member.room_id).limit(_MOST_ROOMS)
        async with self._database.write() as session:
            room_ids = set(await session.scalars(some))
            rooms = await lock_rooms(session, room_ids)
            # only now can nobody else change them
            for member in await session.scalars(
                select(Member).where(Member.user_id == user_id, Member.room_id.in_(rooms))
            ):
                change = RoomChange(session, rooms[member.room_id], user_id, member)
                await change.dismiss(member, MemberLeft)
            await session.commit()
        return bool(room_ids)

    async def _erase_names(self, user_id: UUID) -> bool:
        async with self._database.write() as session:
            erased = await erase_names(session, user_id)
            await session.commit()
        return erased


def _view(event: UserEvent) -> UserView:
    if isinstance(event, UserDeleted):
        return UserView(
            id=event.user_id,
            username=DELETED_USERNAME,
            display_name=DELETED_DISPLAY_NAME,
            version=event.version,
        )
    return UserView(id=event.user_id, username=event.username, display_name=event.display_name, version=event.version)
