"""Commands on their way to chat_service."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import DeleteMessage, EditMessage, MarkRead, ReactToMessage, SendMessage
from contracts.routing import COMMANDS, partition
from messaging.bus import Bus, Message, PublishError, RetryPolicy

_MAX_BATCH = 1_000
_MAX_CHARACTERS = 1_000_000
"""Of all texts in a flight but the last: with what JSON makes of the worst of them it stays below the 16 MiB that
RabbitMQ takes."""

_MAX_WAITING = 5_000
"""Commands of one partition that wait for the broker; further ones are refused at once."""

_RETRY = RetryPolicy(first_delay=0.05, max_delay=0.5)

log = structlog.get_logger(__name__)

AnsweredCommand = SendMessage | EditMessage | DeleteMessage | ReactToMessage
Command = AnsweredCommand | MarkRead


AnyCommand = TypeVar("AnyCommand", AnsweredCommand, Command)


def enveloped(command: AnyCommand) -> Envelope[AnyCommand]:
    """One sending of a command. However often it is submitted, it stays one: what was refused stays refused."""
    return Envelope(command, uuid7(), now(), current_traceparent())


class CommandPublisher:
    """Publishes at once when nothing of the partition is in flight; what comes meanwhile travels together after it.

    One flight at a time keeps a connection's commands to a room in order. A flight that fails is tried again for
    `patience` seconds, so that nobody hears of a broker that is restarted. `failed` is told of each command that may
    not have arrived after all.
    """

    def __init__(self, bus: Bus, failed: Callable[[Command], None], patience: float) -> None:
        self._bus = bus
        self._failed = failed
        self._patience = patience
        self._queues: defaultdict[str, deque[Envelope[Command]]] = defaultdict(deque)
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()

    def submit(self, envelope: Envelope[Command]) -> None:
        key = partition(envelope.payload.room_id)
        if len(self._queues[key]) >= _MAX_WAITING:
            self._failed(envelope.payload)
            return
        self._queues[key].append(envelope)
        if key not in self._flights:
            self._flights[key] = asyncio.create_task(self._fly(key))

    async def close(self) -> None:
        """Wait for what is in flight, once."""
        self._closing.set()
        await asyncio.gather(*self._flights.values())

    async def _fly(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                batch = _take(queue)
                if not await self._publish(key, batch):
                    # what has waited behind it would only wait longer
                    waiting, self._queues[key] = [*batch, *queue], deque()
                    for envelope in waiting:
                        self._failed(envelope.payload)
                    return
        finally:
            del self._flights[key]

    async def _publish(self, key: str, batch: list[Envelope[Command]]) -> bool:
        """Whether it is sure to have arrived."""
        body, content_type = encode(batch)
        first = batch[0]
        message = Message(COMMANDS, key, body, first.payload.type, str(first.id), content_type)
        give_up_at = time.monotonic() + self._patience
        tries = 0
        while True:
            try:
                await self._bus.publish([message])
            except PublishError as error:
                tries += 1
                delay = _RETRY.delay(tries)
                if self._closing.is_set() or time.monotonic() + delay > give_up_at:
                    log.warning("commands_not_published", partition=key, commands=len(batch), reason=str(error))
                    return False
            else:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), delay)


def _take(queue: deque[Envelope[Command]]) -> list[Envelope[Command]]:
    """What goes with the next flight."""
    batch: list[Envelope[Command]] = []
    characters = 0
    while queue and len(batch) < _MAX_BATCH and characters < _MAX_CHARACTERS:
        batch.append(queue.popleft())
        command = batch[-1].payload
        if isinstance(command, SendMessage | EditMessage):
            characters += len(command.text)
    return batch
