"""Dead letters at the broker, for a person to look at, send back or throw away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from messaging.bus import Delivery
from messaging.dead_letters import ATTEMPTS, PUT_AWAY_AT, REASON, dead_letter_queue, sent_back, timestamp
from messaging.rabbitmq.codec import decode
from messaging.rabbitmq.connection import CONNECT_TIMEOUT, close, new_connection
from messaging.rabbitmq.publisher import Publisher

PUBLISH_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is not known of it is empty."""

    delivery: Delivery
    reason: str
    attempts: str
    put_away_at: str
    receipt: int


class DeadLetters:
    """The dead letters of durable queues. While one is looked at, nobody else gets it; it is back in its place when the
    connection ends, however it ends, unless it was sent back or discarded."""

    def __init__(self, channel: AbstractChannel, publisher: Publisher) -> None:
        self._channel = channel
        self._publisher = publisher

    async def count(self, queue: str) -> int:
        """Raises `ChannelNotFoundEntity` if the broker has no such queue."""
        declared = await self._channel.declare_queue(dead_letter_queue(queue), passive=True)
        return declared.declaration_result.message_count or 0

    async def of(self, queue: str) -> AsyncIterator[DeadLetter]:
        """Those that are there when it begins, oldest first. To be read to the end: what is taken comes back behind
        what is not."""
        underlay = await self._channel.get_underlay_channel()
        for _ in range(await self.count(queue)):
            message = await underlay.basic_get(dead_letter_queue(queue))
            if isinstance(message.delivery, Basic.GetEmpty):
                return
            yield _dead_letter(message)

    async def send_back(self, queue: str, letter: DeadLetter) -> None:
        """To the queue that it was in. It is there before it is gone from here. Raises `PublishError`."""
        await self._publisher.publish([sent_back(queue, letter.delivery)])
        await self.discard(letter)

    async def discard(self, letter: DeadLetter) -> None:
        await (await self._channel.get_underlay_channel()).basic_ack(letter.receipt)


@asynccontextmanager
async def dead_letters_at(url: str, name: str) -> AsyncIterator[DeadLetters]:
    """`name` is the connection's at the broker."""
    connection = new_connection(url, name)
    try:
        await connection.connect(timeout=CONNECT_TIMEOUT)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield DeadLetters(channel, Publisher(await channel.get_underlay_channel(), PUBLISH_TIMEOUT))
    finally:
        await close(connection)


def _dead_letter(message: DeliveredMessage) -> DeadLetter:
    delivery = decode(message)
    headers = delivery.headers
    death = _death(message)
    return DeadLetter(
        delivery=delivery,
        reason=headers.get(REASON) or f"given up by the broker: {death.get('reason', 'unknown')}",
        attempts=headers.get(ATTEMPTS, ""),
        put_away_at=headers.get(PUT_AWAY_AT) or (timestamp(death["time"]) if "time" in death else ""),
        receipt=message.delivery_tag or 0,
    )


def _death(message: DeliveredMessage) -> dict[str, Any]:
    """What the broker says of a message that it has put away itself."""
    match (message.header.properties.headers or {}).get("x-death"):
        case [dict(death), *_]:
            return death
        case _:
            return {}
