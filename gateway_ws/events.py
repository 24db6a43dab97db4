"""What arrives from the bus, and what becomes of it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import get_args
from uuid import UUID

import structlog
from prometheus_client import Counter

from common.tracing import traced
from contracts.envelope import Reader
from contracts.frames import ReadMoved, TypingChanged
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    MemberAdded,
    PresenceQuery,
    PresenceReport,
    RoomEntry,
    RoomRead,
    RoomTyping,
    SessionRevoked,
)
from gateway_ws.connection import Connection
from gateway_ws.entrance import Entrance
from gateway_ws.framing import event_frame
from gateway_ws.hub import Hub
from gateway_ws.pending import PendingCommands
from gateway_ws.presence import Presence
from gateway_ws.protocol import text_frame
from gateway_ws.repair import Repair
from gateway_ws.room import Prepared
from gateway_ws.sessions import Sessions
from messaging.bus import Delivery

_TURN_BYTES = 64 * 1024
"""After so much of one message the sockets get their turn: a burst is not to pass anybody's bound unsent."""

NOT_UNDERSTOOD = Counter("parley_gateway_not_understood", "Events on the bus that were passed over as unreadable")

Heard = (
    RoomEntry
    | RoomRead
    | RoomTyping
    | MemberAdded
    | CommandAccepted
    | CommandRefused
    | SessionRevoked
    | PresenceQuery
    | PresenceReport
)

_READER: Reader[Heard] = Reader(*get_args(Heard))

log = structlog.get_logger(__name__)


class Events:
    """Handles the batches of this gateway's queue. Nothing in here waits for a connection."""

    def __init__(
        self,
        hub: Hub,
        sessions: Sessions,
        pending: PendingCommands,
        entrance: Entrance,
        repair: Repair,
        presence: Presence,
    ) -> None:
        self._hub = hub
        self._sessions = sessions
        self._pending = pending
        self._entrance = entrance
        self._repair = repair
        self._presence = presence
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            envelopes, faults = _READER.read(delivery.body, delivery.content_type)
            if faults:
                NOT_UNDERSTOOD.inc(len(faults))
                log.warning("message_not_understood", type=delivery.type, id=delivery.id, reason="; ".join(faults))
            turn = 1 + _TURN_BYTES * len(envelopes) // (1 + len(delivery.body))
            for number, envelope in enumerate(envelopes, 1):
                with traced(envelope.traceparent):
                    self._take(envelope.payload)
                if number % turn == 0:
                    await asyncio.sleep(0)

    def take_entry(self, entry: RoomEntry) -> None:
        """An entry, from the bus or fetched: it is committed, so its sender can be answered, even across a hole."""
        self._pending.committed(entry)
        if self._hub.offer(Prepared(entry, event_frame(entry))):
            self._repair.hole_seen()

    def reconcile(self) -> None:
        """Messages were missed: have every connection's rooms looked up again."""
        for connection in self._sessions.all():
            self._start(self._entrance.reconcile(connection))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, payload: Heard) -> None:
        match payload:
            case RoomEntry():
                self.take_entry(payload)
            case RoomRead(room_id=room_id, user_id=user_id, seq=seq):
                frame = text_frame(ReadMoved(room_id=room_id, user_id=user_id, seq=seq).model_dump_json().encode())
                for listener in self._connections(room_id):
                    listener.queue_news(frame)
            case RoomTyping(room_id=room_id, user_id=user_id, on=on):
                frame = text_frame(TypingChanged(room_id=room_id, user_id=user_id, on=on).model_dump_json().encode())
                for listener in self._connections(room_id):
                    if listener.user_id != user_id:
                        listener.queue_news(frame)
            case MemberAdded(room_id=room_id, user_id=user_id, seq=seq):
                for connection in self._sessions.of(user_id):
                    self._start(self._entrance.add_room(connection, room_id, seq))
            case CommandAccepted():
                self._pending.accepted(payload)
            case CommandRefused():
                self._pending.refused(payload)
            case SessionRevoked(user_id=user_id, session_id=session_id):
                self._sessions.revoke(user_id, session_id)
            case PresenceQuery():
                self._presence.asked(payload)
            case PresenceReport():
                self._presence.heard(payload)

    def _connections(self, room_id: UUID) -> tuple[Connection, ...]:
        return tuple(listener for listener in self._hub.listeners(room_id) if isinstance(listener, Connection))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
