"""Passing news on its way to other gateways."""

import asyncio
from collections import deque
from contextlib import suppress

from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import RoomTyping
from contracts.routing import shard
from messaging.bus import Bus, Message, PublishError

_MAX_WAITING = 1_000


class NewsPublisher:
    """Whoever submits news never waits, so that a slow broker holds up no command behind it. What comes during a
    flight follows together; beyond a thousand the oldest is dropped."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: deque[Message] = deque(maxlen=_MAX_WAITING)
        self._flight: asyncio.Task[None] | None = None

    def submit(self, news: RoomTyping) -> None:
        envelope = Envelope(news, uuid7(), now(), current_traceparent())
        body, content_type = encode([envelope])
        key, id = shard(news.room_id), str(envelope.id)
        self._waiting.append(Message(news.exchange, key, body, news.type, id, content_type, durable=news.durable))
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fly())

    async def close(self) -> None:
        """Wait for what is in flight."""
        if self._flight is not None:
            await self._flight

    async def _fly(self) -> None:
        while self._waiting:
            messages = tuple(self._waiting)
            self._waiting.clear()
            with suppress(PublishError):
                await self._bus.publish(messages)
