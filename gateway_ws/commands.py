"""Commands on their way to chat_service."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

import structlog

from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, SendMessage
from contracts.routing import COMMANDS, partition
from messaging.bus import Bus, Message, PublishError

_MAX_BATCH = 200

log = structlog.get_logger(__name__)

AnsweredCommand = SendMessage | EditMessage | DeleteMessage | ReactToMessage
Command = AnsweredCommand | MarkRead


class CommandPublisher:
    """Publishes at once when nothing of the partition is in flight; what comes meanwhile travels together after it.

    One flight at a time keeps a connection's commands to a room in order. `failed` is told of each command that may
    not have arrived.
    """

    def __init__(self, bus: Bus, failed: Callable[[Command], None]) -> None:
        self._bus = bus
        self._failed = failed
        self._queues: defaultdict[str, deque[Envelope[Command]]] = defaultdict(deque)
        self._flights: dict[str, asyncio.Task[None]] = {}

    def submit(self, command: Command) -> None:
        key = partition(command.room_id)
        self._queues[key].append(Envelope(command, uuid7(), now(), current_traceparent()))
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

    async def _publish(self, key: str, batch: list[Envelope[Command]]) -> None:
        body, content_type = encode(batch)
        first = batch[0]
        message = Message(COMMANDS, key, body, first.payload.type, str(first.id), content_type)
        try:
            await self._bus.publish([message])
        except PublishError as error:
            log.warning("commands_not_published", partition=key, commands=len(batch), reason=str(error))
            for envelope in batch:
                self._failed(envelope.payload)
