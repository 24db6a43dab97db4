"""Senders who wait for the answer to a command."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Gauge

from contracts.frames import Ack, ErrorCode
from contracts.messages import CommandAccepted, CommandRefused, RoomEntry
from gateway_ws.connection import Connection

PENDING = Gauge("parley_gateway_pending_commands", "Commands that wait for an answer")

RETRY_AFTER_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One sending of a command to a room whose log was known to reach up to `heard` then."""

    connection: Connection
    room_id: UUID
    heard: int

    def has_repeated(self, entry: RoomEntry) -> bool:
        """Whether the entry was there before."""
        return entry.room_id == self.room_id and entry.seq <= self.heard


class PendingCommands:
    """Each command frame is answered exactly once. A command may have been sent several times, over several
    connections: its entry answers whoever has waited longest, the word that it was a repeat whoever came last."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._waiting: dict[tuple[UUID, UUID], deque[_Waiting]] = {}
        self._deadlines: deque[tuple[float, tuple[UUID, UUID], _Waiting]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, command_id: UUID, connection: Connection, room_id: UUID, heard: int) -> None:
        """`heard` is the highest seq of the room's log that is known of here."""
        key, waiting = (connection.user_id, command_id), _Waiting(connection, room_id, heard)
        self._waiting.setdefault(key, deque()).append(waiting)
        self._deadlines.append((self._clock() + self._timeout, key, waiting))
        PENDING.set(len(self._waiting))

    def committed(self, entry: RoomEntry) -> None:
        """An entry was seen, wherever it came from. Of a repeat, `accepted` has been told before."""
        if entry.command_id is None:
            return
        sender = self._next((entry.actor_id, entry.command_id))
        if sender is not None:
            sender.connection.send(
                Ack(
                    id=entry.command_id,
                    room_id=entry.room_id,
                    seq=entry.seq,
                    message_id=entry.data.get("message_id"),
                    at=entry.at,
                    duplicate=sender.has_repeated(entry),
                )
            )
            log.debug("command_acked", command_id=str(entry.command_id), seq=entry.seq)

    def accepted(self, reply: CommandAccepted) -> None:
        sender = self._next((reply.user_id, reply.command_id), latest=True)
        if sender is not None:
            sender.connection.send(
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
            sender.connection.error(ErrorCode(reply.code), reply.detail, reply.command_id, reply.retry_after)
            log.debug("command_refused", command_id=str(reply.command_id), code=reply.code)

    def unpublished(self, user_id: UUID, command_id: UUID) -> None:
        """The command may not have arrived."""
        sender = self._next((user_id, command_id), latest=True)
        if sender is not None:
            detail = "It may not have arrived: send it again."
            sender.connection.error(ErrorCode.UNAVAILABLE, detail, command_id, RETRY_AFTER_S)

    def expire(self) -> None:
        """Answer those who have waited too long. To be called about once a second."""
        while self._deadlines and self._deadlines[0][0] <= self._clock():
            _, key, waiting = self._deadlines.popleft()
            if waiting in self._waiting.get(key, ()):
                self._forget(key, waiting)
                detail = "There was no answer: send it again."
                waiting.connection.error(ErrorCode.UNAVAILABLE, detail, key[1], RETRY_AFTER_S)

    def _next(self, key: tuple[UUID, UUID], *, latest: bool = False) -> _Waiting | None:
        """Whom to answer, who waits no more then; None if nobody is there."""
        while sendings := self._waiting.get(key):
            waiting = sendings[-1 if latest else 0]
            self._forget(key, waiting)
            if waiting.connection.is_open:
                return waiting
        return None

    def _forget(self, key: tuple[UUID, UUID], waiting: _Waiting) -> None:
        sendings = self._waiting[key]
        sendings.remove(waiting)
        if not sendings:
            del self._waiting[key]
        PENDING.set(len(self._waiting))
