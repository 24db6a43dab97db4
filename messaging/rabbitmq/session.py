"""One life of the connections to the broker, from connecting until the first part of it is lost."""

import asyncio
from collections.abc import Sequence

from aio_pika.abc import AbstractChannel, AbstractConnection

from messaging.backlog import Backlog
from messaging.bus import Topology
from messaging.delivery import Subscription
from messaging.rabbitmq.broadcast import RabbitMQBroadcast
from messaging.rabbitmq.connection import CONNECT_TIMEOUT, close, new_connection
from messaging.rabbitmq.consumer import start_consuming
from messaging.rabbitmq.publisher import Publisher
from messaging.rabbitmq.topology import broadcast_queue, declare, declare_queue


class Session:
    """A connection to publish and one to consume: the broker blocks the first when it runs out of memory or disk.

    It is never repaired. When any channel closes, or the broker cancels a consumer because its queue is gone, `lost`
    gets the reason, and the owner closes this session and opens another.
    """

    publisher: Publisher

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.established = False
        self.backlogs: list[tuple[Subscription, Backlog[int]]] = []
        self._connections: list[AbstractConnection] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._broadcasts: Sequence[RabbitMQBroadcast] = ()

    @property
    def usable(self) -> bool:
        return self.established and not self.lost.done()

    async def connect(self, url: str, name: str, topology: Topology, publish_timeout: float) -> None:
        """Connect, and declare the topology."""
        publishing = await self._connect(url, f"{name} publish")
        self._consuming = await self._connect(url, f"{name} consume")
        channel = await self._open_channel(publishing)
        self.publisher = Publisher(await channel.get_underlay_channel(), publish_timeout)
        self._control = await self._open_channel(self._consuming)
        await declare(self._control, topology)

    async def listen(self, broadcasts: Sequence[RabbitMQBroadcast]) -> None:
        """Make the listeners' queues and bind them to all that is wanted of them."""
        self._broadcasts = broadcasts
        for broadcast in broadcasts:
            subscription = broadcast.subscription
            queue = await declare_queue(self._control, broadcast_queue(subscription.queue, broadcast.max_length))
            await broadcast.make_bindings(queue)
            await self.consume(subscription, queue.name)
            keep_bound = asyncio.create_task(broadcast.keep_bound(queue), name=f"bus:{subscription.queue}:bindings")
            keep_bound.add_done_callback(lambda _: self.lose("bindings"))
            self._tasks.append(keep_bound)

    async def consume(self, subscription: Subscription, queue: str, priority: int = 0) -> None:
        channel = await self._open_channel(self._consuming)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self.lose(f"{subscription.queue} was deleted"))
        backlog = await start_consuming(underlay, queue, subscription.batch_size, priority)
        self.backlogs.append((subscription, backlog))

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    async def close(self) -> None:
        """Leave. The broker gives everything that was not acked to whoever consumes next."""
        for _, backlog in self.backlogs:
            backlog.close()
        for task in self._tasks:
            task.cancel()
        for broadcast in self._broadcasts:
            broadcast.forget_bindings()
        await asyncio.gather(*map(close, self._connections), *self._tasks, return_exceptions=True)

    async def _connect(self, url: str, name: str) -> AbstractConnection:
        connection = new_connection(url, name)
        self._connections.append(connection)
        await connection.connect(timeout=CONNECT_TIMEOUT)
        return connection

    async def _open_channel(self, connection: AbstractConnection) -> AbstractChannel:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        underlay = await channel.get_underlay_channel()
        underlay.closing.add_done_callback(self._on_closing)
        return channel

    def _on_closing(self, closing: "asyncio.Future[object]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self.lose(f"{type(error).__name__}: {error}")
