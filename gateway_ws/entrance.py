"""How a connection gets into its rooms: listen with delivery held back, fetch, send, release."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog

from contracts.frames import FrameUser, Gap, Limits, RoomAdded, RoomRemoved, Welcome
from contracts.internal_http import RoomView
from gateway_ws.caught_up import CaughtUp, Portion
from gateway_ws.chat_client import ChatClient, ChatUnavailable
from gateway_ws.connection import Connection
from gateway_ws.hub import Hub
from gateway_ws.pending import PendingCommands
from gateway_ws.protocol import PING_INTERVAL_S
from gateway_ws.repair import Repair
from gateway_ws.shards import Shards

_FIRST_RETRY_S = 0.2
_MAX_RETRY_S = 3.0

log = structlog.get_logger(__name__)


class Entrance:
    def __init__(
        self,
        hub: Hub,
        shards: Shards,
        chat: ChatClient,
        pending: PendingCommands,
        repair: Repair,
        limits: Limits,
        replay_limit: int,
    ) -> None:
        self._hub = hub
        self._shards = shards
        self._chat = chat
        self._pending = pending
        self._repair = repair
        self._limits = limits
        self._replay_limit = replay_limit

    async def welcome(self, connection: Connection, resume: Mapping[UUID, int]) -> None:
        """Send `welcome`, then which of the rooms to resume are not the user's any more, then what each room has after
        its resume point, then everything that comes.

        Raises `ChatUnavailable`, having sent nothing.
        """
        async with connection.changing_rooms:
            room_ids = set(await self._chat.room_ids(connection.user_id))
            while True:
                await self._listen(connection, room_ids)
                view = await self._chat.catch_up(connection.user_id, resume, self._replay_limit)
                room_ids = {room.id for room in view.rooms} - self._hub.rooms_of(connection)
                if not room_ids:
                    break
            rooms = {room.id for room in view.rooms}
            for room_id in self._hub.rooms_of(connection) - rooms:
                self._hub.leave(connection, room_id)
            connection.send(self._welcome(connection, view))
            for room_id in resume:
                if room_id not in rooms:
                    # also if it was left or deleted: the log, which would tell, is not theirs to read
                    connection.send(RoomRemoved(room_id=room_id, reason="removed"))
            for room in view.rooms:
                await self._replay(connection, room, resume.get(room.id), view.missed.get(room.id, ()))

    async def add_room(self, connection: Connection, room_id: UUID, joined_seq: int) -> None:
        """Tell a connection of a room that its user has joined, from the entry of that on. Tries until it works."""
        delay = _FIRST_RETRY_S
        while connection.is_open:
            try:
                async with connection.changing_rooms:
                    if not self._is_still_in_from_before(connection, room_id, joined_seq):
                        await self._add_room(connection, room_id, joined_seq)
                        return
                await asyncio.sleep(_FIRST_RETRY_S)
            except ChatUnavailable:
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(_MAX_RETRY_S, delay * 2)

    async def reconcile(self, connection: Connection) -> None:
        """Find rooms that the user joined while nothing was heard. Tries until it works."""
        delay = _FIRST_RETRY_S
        while connection.is_open:
            try:
                for room_id in await self._chat.room_ids(connection.user_id):
                    if not self._hub.listening(connection, room_id):
                        await self.add_room(connection, room_id, 0)
                return
            except ChatUnavailable:
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(_MAX_RETRY_S, delay * 2)

    def _is_still_in_from_before(self, connection: Connection, room_id: UUID, joined_seq: int) -> bool:
        """Whether the removal that came before this joining has yet to be passed on to the connection."""
        position = self._hub.position(connection, room_id)
        return position is not None and position < joined_seq

    async def _add_room(self, connection: Connection, room_id: UUID, joined_seq: int) -> None:
        if self._hub.listening(connection, room_id):
            return
        await self._listen(connection, {room_id})
        # from before the joining entry; without one, from the head on
        resume = {room_id: joined_seq - 1} if joined_seq else {}
        try:
            view = await self._chat.catch_up(connection.user_id, resume, self._replay_limit)
        except ChatUnavailable:
            self._hub.leave(connection, room_id)
            raise
        room = next((room for room in view.rooms if room.id == room_id), None)
        if room is None:  # removed again meanwhile
            self._hub.leave(connection, room_id)
            return
        connection.send(RoomAdded(room=room))
        await self._replay(connection, room, resume.get(room_id), view.missed.get(room_id, ()))

    async def _listen(self, connection: Connection, room_ids: set[UUID]) -> None:
        for room_id in room_ids:
            self._hub.listen(connection, room_id)
        await self._shards.bind(room_ids)

    async def _replay(
        self, connection: Connection, room: RoomView, after: int | None, missed: Sequence[Portion]
    ) -> None:
        if missed and after is not None and (first := missed[0].entries[0]).seq > after + 1:
            connection.send(Gap(room_id=room.id, after=after, before=first.seq))
        for portion in missed:
            await connection.room_for_more()
            connection.queue(portion.frames, len(portion.entries))
            for entry in portion.entries:
                self._pending.committed(entry)
        if self._hub.release(connection, room.id, room.head):
            self._repair.hole_seen()

    def _welcome(self, connection: Connection, view: CaughtUp) -> Welcome:
        claims = connection.claims
        if claims is None:
            raise RuntimeError("nobody has said hello")
        known = view.user
        return Welcome(
            session_id=claims.session_id,
            user=FrameUser(
                id=claims.user_id,
                username=known.username if known else claims.username,
                display_name=known.display_name if known else claims.display_name,
            ),
            rooms=view.rooms,
            epoch=view.epoch,
            heartbeat_s=int(PING_INTERVAL_S),
            limits=self._limits,
        )
