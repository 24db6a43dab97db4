"""The RabbitMQ bus: what is published and consumed, and the loop that keeps it connected."""

import asyncio
import random
import zlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import uuid4

import structlog

from messaging.bus import Binding, Broadcast, Delivery, Handler, Message, PublishError, RetryPolicy, Topology
from messaging.dead_letters import dead_letter, dead_letter_queue
from messaging.delivery import ONE_ATTEMPT, STOP_GRACE, Subscription, Worker
from messaging.rabbitmq.broadcast import RabbitMQBroadcast
from messaging.rabbitmq.session import Session
from messaging.resets import Resets

OPEN_TIMEOUT = 15.0
"""Seconds for connecting and declaring everything. A broker that is starting may leave a call unanswered for ever."""

PRIORITIES = 1_000
RECONNECT = RetryPolicy(first_delay=0.2, max_delay=3.0)
STABLE_AFTER = 10.0
"""Seconds that a session must last for the next reconnection to be a fast one again."""

log = structlog.get_logger(__name__)


class RabbitMQBus:
    """See `messaging.bus.Bus`. `name` is the connections' name at the broker.

    Of several replicas each consumes every durable queue, and the broker picks one. From RabbitMQ 4.0 on it picks by
    priority, which is random here, so that the queues spread over the replicas; before, the first one gets them all.
    """

    def __init__(
        self,
        url: str,
        topology: Topology,
        name: str = "parley",
        retry: RetryPolicy = RetryPolicy(),
        publish_timeout: float = 5.0,
    ) -> None:
        self._url = url
        self._topology = topology
        self._name = name
        self._retry = retry
        self._publish_timeout = publish_timeout
        self._instance = uuid4().hex
        self._subscriptions: dict[str, Subscription] = {}
        self._broadcasts: list[RabbitMQBroadcast] = []
        self._workers: list[Worker[int]] = []
        self._session: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._session is not None and self._session.usable

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._keep_connected(), name=f"bus:{self._name}")

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        for broadcast in self._broadcasts:
            await broadcast.resets.stop()
        # The session stays while they finish: they may have to publish before they can return.
        await asyncio.gather(*(worker.stop(STOP_GRACE) for worker in self._workers))
        self._workers.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def publish(self, messages: Sequence[Message]) -> None:
        self._topology.require_exchanges(messages)
        await self._publish(messages)

    def consume(self, queue: str, handler: Handler, *, batch_size: int = 200) -> None:
        if queue not in self._topology.queues and queue not in map(dead_letter_queue, self._topology.queues):
            raise ValueError(f"no durable queue is called {queue}")
        keep_dead_letter = partial(self._keep_dead_letter, queue)
        self._subscriptions[queue] = Subscription(queue, handler, batch_size, self._retry, keep_dead_letter)

    def listen(
        self,
        name: str,
        bindings: Sequence[Binding],
        handler: Handler,
        *,
        on_reset: Callable[[], Awaitable[None]],
        max_length: int = 20_000,
        batch_size: int = 200,
    ) -> Broadcast:
        subscription = Subscription(name, handler, batch_size, ONE_ATTEMPT, dead_letter=None)
        broadcast = RabbitMQBroadcast(subscription, bindings, Resets(name, on_reset), max_length)
        self._broadcasts.append(broadcast)
        return broadcast

    async def _publish(self, messages: Sequence[Message]) -> None:
        if self._session is None or not self.connected:
            raise PublishError("not connected", messages)
        await self._session.publisher.publish(messages)

    async def _keep_dead_letter(self, queue: str, delivery: Delivery, reason: str) -> None:
        await self._publish([dead_letter(queue, delivery, reason)])

    async def _keep_connected(self) -> None:
        failures = 0
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            self._session = session = Session()
            # gathered, because aiormq ends calls on a connection that it loses with CancelledError
            (error,) = await asyncio.gather(self._open(session), return_exceptions=True)
            if error is None:
                self._begin(session)
                await asyncio.wait({session.lost})
            reason = session.lost.result() if error is None else f"{type(error).__name__}: {error}"
            failures = 1 if clock() - began > STABLE_AFTER else failures + 1
            delay = RECONNECT.delay(failures) * random.uniform(0.5, 1.0)
            log.warning("bus_not_connected", bus=self._name, reason=reason, failures=failures, retry_in=round(delay, 2))
            await session.close()
            await asyncio.sleep(delay)

    async def _open(self, session: Session) -> None:
        async with asyncio.timeout(OPEN_TIMEOUT):
            await session.connect(self._url, self._name, self._topology, self._publish_timeout)
            await session.listen(self._broadcasts)
            for queue, subscription in self._subscriptions.items():
                await session.consume(subscription, queue, self._priority(queue))

    def _begin(self, session: Session) -> None:
        session.established = True
        log.info("bus_connected", bus=self._name)
        # Workers of the session before may still have a batch in hand: theirs is the turn until they have finished.
        self._workers = [worker for worker in self._workers if not worker.task.done()]
        for subscription, backlog in session.backlogs:
            worker = Worker(subscription, backlog)
            worker.task.add_done_callback(lambda task: session.lose(f"a worker ended: {task!r}"))
            self._workers.append(worker)
        for broadcast in self._broadcasts:
            broadcast.resets.queue_made()

    def _priority(self, queue: str) -> int:
        return zlib.crc32(f"{self._instance}:{queue}".encode()) % PRIORITIES
