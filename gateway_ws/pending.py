"""Senders who wait for the answer to a command."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Gauge

from contracts.envelope import Envelope
from contracts.frames import Ack, ErrorCode
from contracts.messages import CommandAccepted, CommandRefused, RoomEntry
from gateway_ws.commands import AnsweredCommand
from gateway_ws.connection import Connection

PENDING = Gauge("parley_gateway_pending_commands", "Commands that wait for an answer")

RETRY_AFTER_S = 1.0

_Key = tuple[UUID, UUID]
"""User and command."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One sending of a command to a room whose log was known to reach up to `heard` then."""

    connection: Connection
    sending: Envelope[AnsweredCommand]
    heard: int

    @property
    def key(self) -> _Key:
        return self.sending.payload.user_id, self.sending.payload.command_id

    def has_repeated(self, entry: RoomEntry) -> bool:
        """Whether the entry was there before."""
        return entry.room_id == self.sending.payload.room_id and entry.seq <= self.heard


class PendingCommands:
    """Each command frame is answered exactly once. A command may have been sent several times, over several
    connections: its entry answers whoever has waited longest, the word that it was a repeat whoever came last.

    `origin` is this gateway's (`contracts.routing.origin_of`). An answer may be lost with this gateway's queue, and
    nothing brings it then but the command itself: after `patience` seconds it is `overdue`, after `timeout` given up.
    """

    def __init__(
        self, origin: int, patience: float, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._origin = origin
        self._patience = patience
        self._timeout = timeout
        self._clock = clock
        self._waiting: dict[_Key, deque[_Waiting]] = {}
        self._due: OrderedDict[_Waiting, float] = OrderedDict()
        self._deadlines: OrderedDict[_Waiting, float] = OrderedDict()
        PENDING.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sending: Envelope[AnsweredCommand], connection: Connection, heard: int) -> None:
        """`heard` is the highest seq of the room's log that is known of here."""
        waiting = _Waiting(connection, sending, heard)
        self._waiting.setdefault(waiting.key, deque()).append(waiting)
        moment = self._clock()
        self._due[waiting] = moment + self._patience
        self._deadlines[waiting] = moment + self._timeout

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
                    duplicate=entry.origin not in (None, self._origin) or sender.has_repeated(entry),
                )
            )
            log.debug("command_acked", command_id=entry.command_id, seq=entry.seq)

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
            log.debug("repeat_acked", command_id=reply.command_id, seq=reply.seq)

    def refused(self, reply: CommandRefused) -> None:
        sender = self._next((reply.user_id, reply.command_id))
        if sender is not None:
            sender.connection.error(ErrorCode(reply.code), reply.detail, reply.command_id, reply.retry_after)
            log.debug("command_refused", command_id=reply.command_id, code=reply.code)

    def unpublished(self, user_id: UUID, command_id: UUID) -> None:
        """The command may not have arrived."""
        sender = self._next((user_id, command_id), latest=True)
        if sender is not None:
            detail = "It may not have arrived: send it again."
            sender.connection.error(ErrorCode.UNAVAILABLE, detail, command_id, RETRY_AFTER_S)

    def overdue(self) -> Iterator[Envelope[AnsweredCommand]]:
        """What should have been answered by now, each once: to be submitted again as it is, since that is answered, and
        as it was before. To be called about once a second."""
        for waiting in self._passed(self._due):
            yield waiting.sending

    def expire(self) -> None:
        """Answer those who have waited too long. To be called about once a second."""
        for waiting in self._passed(self._deadlines):
            self._forget(waiting)
            detail = "There was no answer: send it again."
            waiting.connection.error(ErrorCode.UNAVAILABLE, detail, waiting.sending.payload.command_id, RETRY_AFTER_S)

    def _passed(self, moments: OrderedDict[_Waiting, float]) -> Iterator[_Waiting]:
        """Those whose moment has come."""
        while moments and next(iter(moments.values())) <= self._clock():
            yield moments.popitem(last=False)[0]

    def _next(self, key: _Key, *, latest: bool = False) -> _Waiting | None:
        """Whom to answer, who waits no more then; None if nobody is there."""
        while sendings := self._waiting.get(key):
            waiting = sendings[-1 if latest else 0]
            self._forget(waiting)
            if waiting.connection.is_open:
                return waiting
        return None

    def _forget(self, waiting: _Waiting) -> None:
        """Nothing of it is kept: at thousands of commands a second, half a minute's would be many."""
        sendings = self._waiting[waiting.key]
        sendings.remove(waiting)
        if not sendings:
            del self._waiting[waiting.key]
        self._due.pop(waiting, None)
        self._deadlines.pop(waiting, None)
