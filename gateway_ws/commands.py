"""Commands on their way to chat_service, and the senders who wait for an answer."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from uuid import UUID

import structlog
from prometheus_client import Gauge

from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import MarkRead, SendMessage
from contracts.topology import COMMANDS, partition
from gateway_ws.connection import Connection
from messaging.bus import Bus, Message, PublishError

PENDING = Gauge("parley_gateway_pending_commands", "Commands that wait for an answer")

_MAX_BATCH = 200

log = structlog.get_logger(__name__)

Command = SendMessage | MarkRead


class PendingCommands:
    """Each command frame is answered exactly once. The answer goes to whoever has waited longest for it: a command
    may have been sent several times, over several connections."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._waiting: dict[tuple[UUID, UUID], deque[Connection]] = {}
        self._deadlines: deque[tuple[float, tuple[UUID, UUID], Connection]] = deque()

    def add(self, command_id: UUID, connection: Connection) -> None:
        key = (connection.user_id, command_id)
        self._waiting.setdefault(key, deque()).append(connection)
        self._deadlines.append((self._clock() + self._timeout, key, connection))
        PENDING.set(len(self._waiting))

    def resolve(self, user_id: UUID, command_id: UUID) -> Connection | None:
        """Whom to answer: the first that is still there, or None."""
        key = (user_id, command_id)
        waiting = self._waiting.get(key)
        while waiting:
            connection = waiting.popleft()
            if not waiting:
                del self._waiting[key]
                PENDING.set(len(self._waiting))
            if connection.is_open:
                return connection
        return None

    def expired(self) -> Iterator[tuple[Connection, UUID]]:
        """Those who have waited too long, each with the command's id. They wait no more."""
        while self._deadlines and self._deadlines[0][0] <= self._clock():
            _, key, connection = self._deadlines.popleft()
            waiting = self._waiting.get(key)
            if waiting is None or connection not in waiting:
                continue
            waiting.remove(connection)
            if not waiting:
                del self._waiting[key]
            yield connection, key[1]
        PENDING.set(len(self._waiting))


class CommandPublisher:
    """Publishes at once when nothing of the partition is in flight; what comes meanwhile travels together after it.

    One flight at a time keeps a connection's commands to a room in order. `failed` is told of each command that may
    not have arrived.
    """

    def __init__(self, bus: Bus, failed: Callable[[Command], None]) -> None:
        self._bus = bus
        self._failed = failed
        self._queues: defaultdict[str, deque[Envelope]] = defaultdict(deque)
        self._flights: dict[str, asyncio.Task[None]] = {}

    def submit(self, command: Command) -> None:
        key = partition(command.room_id)
        self._queues[key].append(Envelope(command, str(uuid7()), now(), current_traceparent()))
        if key not in self._flights:
            self._flights[key] = asyncio.create_task(self._fly(key))

    async def close(self) -> None:
        """Wait for what is in flight."""
        await asyncio.gather(*self._flights.values())

    async def _fly(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                batch = [queue.popleft() for _ in range(min(_MAX_BATCH, len(queue)))]
                await self._publish(key, batch)
        finally:
            del self._flights[key]

    async def _publish(self, key: str, batch: list[Envelope]) -> None:
        body, content_type = encode(batch)
        first = batch[0]
        try:
            await self._bus.publish([Message(COMMANDS, key, body, first.type, first.id, content_type)])
        except PublishError as error:
            log.warning("commands_not_published", partition=key, commands=len(batch), reason=str(error))
            for envelope in batch:
                if isinstance(envelope.payload, SendMessage | MarkRead):
                    self._failed(envelope.payload)
