"""Senders who wait for the answer to a command."""

import time
from collections import deque
from collections.abc import Callable
from uuid import UUID

import structlog
from prometheus_client import Gauge

from contracts.frames import Ack, ErrorCode
from contracts.messages import CommandAccepted, CommandRefused, RoomEntry
from gateway_ws.connection import Connection

PENDING = Gauge("parley_gateway_pending_commands", "Commands that wait for an answer")

RETRY_AFTER_S = 1.0

log = structlog.get_logger(__name__)


class PendingCommands:
    """Each command frame is answered exactly once. A command may have been sent several times, over several
    connections: its entry answers whoever has waited longest, the word that it was a repeat whoever came last."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._waiting: dict[tuple[UUID, UUID], deque[Connection]] = {}
        self._deadlines: deque[tuple[float, tuple[UUID, UUID], Connection]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, command_id: UUID, connection: Connection) -> None:
        key = (connection.user_id, command_id)
        self._waiting.setdefault(key, deque()).append(connection)
        self._deadlines.append((self._clock() + self._timeout, key, connection))
        PENDING.set(len(self._waiting))

    def committed(self, entry: RoomEntry) -> None:
        """An entry was seen, wherever it came from. Of a repeat, `accepted` has been told before."""
        if entry.command_id is None:
            return
        sender = self._next((entry.actor_id, entry.command_id))
        if sender is not None:
            sender.send(
                Ack(
                    id=entry.command_id,
                    room_id=entry.room_id,
                    seq=entry.seq,
                    message_id=entry.data.get("message_id"),
                    at=entry.at,
                    duplicate=False,
                )
            )
            log.debug("command_acked", command_id=str(entry.command_id), seq=entry.seq)

    def accepted(self, reply: CommandAccepted) -> None:
        sender = self._next((reply.user_id, reply.command_id), latest=True)
        if sender is not None:
            sender.send(
                Ack(
                    id=reply.command_id,
                    room_id=reply.room_id,
                    seq=reply.seq,
                    message_id=reply.message_id,
                    at=reply.at,
                    duplicate=True,
                )
            )
            log.debug("repeat_acked", command_id=str(reply.command_id), seq=reply.seq)

    def refused(self, reply: CommandRefused) -> None:
        sender = self._next((reply.user_id, reply.command_id))
        if sender is not None:
            sender.error(ErrorCode(reply.code), reply.detail, reply.command_id)
            log.debug("command_refused", command_id=str(reply.command_id), code=reply.code)

    def unpublished(self, user_id: UUID, command_id: UUID) -> None:
        """The command may not have arrived."""
        sender = self._next((user_id, command_id), latest=True)
        if sender is not None:
            detail = "It may not have arrived: send it again."
            sender.error(ErrorCode.UNAVAILABLE, detail, command_id, RETRY_AFTER_S)

    def expire(self) -> None:
        """Answer those who have waited too long. To be called about once a second."""
        while self._deadlines and self._deadlines[0][0] <= self._clock():
            _, key, connection = self._deadlines.popleft()
            waiting = self._waiting.get(key, ())
            if connection in waiting:
                self._forget(key, connection)
                detail = "There was no answer: send it again."
                connection.error(ErrorCode.UNAVAILABLE, detail, key[1], RETRY_AFTER_S)

    def _next(self, key: tuple[UUID, UUID], *, latest: bool = False) -> Connection | None:
        """Whom to answer, who waits no more then; None if nobody is there."""
        while waiting := self._waiting.get(key):
            connection = waiting[-1 if latest else 0]
            self._forget(key, connection)
            if connection.is_open:
                return connection
        return None

    def _forget(self, key: tuple[UUID, UUID], connection: Connection) -> None:
        waiting = self._waiting[key]
        waiting.remove(connection)
        if not waiting:
            del self._waiting[key]
        PENDING.set(len(self._waiting))
