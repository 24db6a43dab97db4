"""Buses at a real RabbitMQ broker, and a channel to it for what no bus does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel

from contracts.routing import EXCHANGES
from contracts.topology import QUEUES
from messaging.bus import Bus, Message, RetryPolicy, Topology
from messaging.dead_letters import dead_letter_queue
from messaging.rabbitmq import RabbitMQBus
from messaging.rabbitmq.topology import declare
from tests.support.bus import FAST, Lab
from tests.support.servers.server import OwnServer


class RabbitMQLab(Lab):
    def __init__(self, url: str, broker: OwnServer | None = None, publish_timeout: float = 10.0) -> None:
        super().__init__()
        self.url = url
        self._broker = broker
        self._publish_timeout = publish_timeout

    def bus(self, retry: RetryPolicy = FAST) -> Bus:
        bus = RabbitMQBus(self.url, self.topology, "conformance", retry, self._publish_timeout)
        self.buses.append(bus)
        return bus

    async def queue_up(self, bus: Bus, messages: Sequence[Message]) -> None:
        await bus.publish(messages)

    async def restart_broker(self) -> None:
        assert self._broker is not None
        await self._broker.restart()

    async def kill_and_start_broker(self) -> None:
        assert self._broker is not None
        await self._broker.kill()
        await self._broker.start()

    async def delete_queue(self, name: str) -> None:
        async with channel_to(self.url) as channel:
            await channel.queue_delete(name)

    async def clear_up(self) -> None:
        await self.close()
        async with channel_to(self.url) as channel:
            for queue in self.topology.queues:
                await channel.queue_delete(queue)
                await channel.queue_delete(f"{queue}.dead")
            await channel.exchange_delete(self.exchange)


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


@asynccontextmanager
async def everything_declared(url: str) -> AsyncIterator[None]:
    """At the broker, all of the product's exchanges and queues; at the end none of them."""
    async with channel_to(url) as channel:
        await declare(channel, Topology.of(EXCHANGES, QUEUES))
    try:
        yield
    finally:
        async with channel_to(url) as channel:
            await delete_queues(channel)
            for exchange in EXCHANGES:
                await channel.exchange_delete(exchange)


async def delete_queues(channel: AbstractChannel) -> None:
    """The product's."""
    for queue in QUEUES:
        await channel.queue_delete(queue)
        await channel.queue_delete(dead_letter_queue(queue))
