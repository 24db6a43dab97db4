"""The bus inside one process: bytes, queues, tasks, and no disk.

Nothing here outlives the process, so `publish` of a durable message returns only when every durable queue that it
reached has settled it: handled, or given up to the dead-letter queue. Until then its publisher can send it again. A
handler must therefore not publish a durable message that leads back to its own queue: it would wait for itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from messaging.backlog import Backlog
from messaging.bus import (
    Binding,
    Broadcast,
    Delivery,
    Handler,
    Message,
    PublishError,
    RetryPolicy,
    Topology,
    Unroutable,
)
from messaging.dead_letters import dead_letter, dead_letter_queue
from messaging.delivery import ONE_ATTEMPT, STOP_GRACE, Subscription, Worker
from messaging.metrics import PUBLISHED
from messaging.resets import Resets

Receipt = asyncio.Future[None]
"""Done when nobody needs to keep the message any more."""

DEAD_LETTERS_KEPT = 1_000
"""They are held in memory, and only a person ever looks at them."""


async def _acknowledge(receipts: Sequence[Receipt]) -> None:
    for receipt in receipts:
        if not receipt.done():
            receipt.set_result(None)


@dataclass(eq=False, slots=True)
class _Queue:
    backlog: Backlog[Receipt]
    durable: bool
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, message: Message) -> Receipt:
        receipt = asyncio.get_running_loop().create_future()
        if not (self.durable and message.durable):
            receipt.set_result(None)
        delivery = Delivery(
            exchange=message.exchange,
            key=message.key,
            body=message.body,
            type=message.type,
            id=message.id,
            content_type=message.content_type,
            headers=dict(message.headers),
        )
        self.backlog.add(delivery, receipt)
        return receipt


class InProcessBroker:
    """The queues and their bindings. Buses that share one are to each other as processes at one broker."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.queues: dict[str, _Queue] = {}
        self._bound: dict[Binding, list[_Queue]] = {}
        for name, bindings in topology.queues.items():
            self.queues[name] = _Queue(Backlog(_acknowledge), durable=True)
            self.queues[dead_letter_queue(name)] = _Queue(Backlog(_acknowledge, DEAD_LETTERS_KEPT), durable=True)
            self.bind(self.queues[name], bindings)

    def bind(self, queue: _Queue, bindings: Sequence[Binding]) -> None:
        for binding in bindings:
            bound = self._bound.setdefault(binding, [])
            if queue not in bound:
                bound.append(queue)

    def unbind(self, queue: _Queue, bindings: Sequence[Binding]) -> None:
        for binding in bindings:
            bound = self._bound.get(binding, [])
            if queue in bound:
                bound.remove(queue)

    def bound_to(self, exchange: str, key: str) -> Sequence[_Queue]:
        return self._bound.get(Binding(exchange, key), ())

    async def keep_dead_letter(self, queue: str, delivery: Delivery, reason: str) -> None:
        message = dead_letter(queue, delivery, reason)
        if message.key not in self.queues:
            raise Unroutable("there is no dead-letter queue", [message])
        self.queues[message.key].add(message)


class InProcessBroadcast:
    """One listener. Its queue comes with the start of the bus and goes with its stop."""

    def __init__(
        self,
        broker: InProcessBroker,
        subscription: Subscription,
        bindings: Sequence[Binding],
        resets: Resets,
        max_length: int,
    ) -> None:
        self._broker = broker
        self._subscription = subscription
        self._wanted = set(bindings)
        self._resets = resets
        self._max_length = max_length
        self._queue: _Queue | None = None
        self._opened = asyncio.Event()

    async def bind(self, bindings: Sequence[Binding]) -> None:
        self._wanted.update(bindings)
        if self._queue is not None:
            self._broker.bind(self._queue, bindings)
        await self._opened.wait()

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        self._wanted.difference_update(bindings)
        if self._queue is not None:
            self._broker.unbind(self._queue, bindings)

    def open(self) -> Worker[Receipt]:
        self._queue = _Queue(Backlog(_acknowledge, self._max_length), durable=False)
        self._broker.bind(self._queue, tuple(self._wanted))
        self._opened.set()
        self._resets.queue_made()
        return Worker(self._subscription, self._queue.backlog)

    async def close(self) -> None:
        if self._queue is not None:
            self._broker.unbind(self._queue, tuple(self._wanted))
        self._queue = None
        self._opened.clear()
        await self._resets.stop()


class InProcessBus:
    """See `messaging.bus.Bus`. What is published while it is stopped is refused; what was queued stays queued."""

    def __init__(
        self, topology: Topology, retry: RetryPolicy = RetryPolicy(), broker: InProcessBroker | None = None
    ) -> None:
        self._broker = broker or InProcessBroker(topology)
        self._retry = retry
        self._subscriptions: dict[str, Subscription] = {}
        self._broadcasts: list[InProcessBroadcast] = []
        self._workers: list[Worker[Receipt]] = []
        self._unsettled: set[asyncio.Future[None]] = set()
        self._started = False

    @property
    def connected(self) -> bool:
        return self._started

    async def start(self) -> None:
        self._started = True
        for name, subscription in self._subscriptions.items():
            self._workers.append(Worker(subscription, self._broker.queues[name].backlog))
        self._workers.extend(broadcast.open() for broadcast in self._broadcasts)

    async def stop(self) -> None:
        # Still started while they finish: they may have to publish before they can return.
        await asyncio.gather(*(worker.stop(STOP_GRACE) for worker in self._workers))
        self._started = False
        self._workers.clear()
        for broadcast in self._broadcasts:
            await broadcast.close()
        for receipt in self._unsettled:
            receipt.cancel()

    async def publish(self, messages: Sequence[Message]) -> None:
        self._broker.topology.require_exchanges(messages)
        if not self._started:
            raise PublishError("the bus is not started", messages)
        sent = [(message, self._send(message)) for message in messages]
        await self._settlement({receipt for _, receipts in sent for receipt in receipts})
        unroutable = [message for message, receipts in sent if message.durable and not receipts]
        unsettled = [message for message, receipts in sent if any(receipt.cancelled() for receipt in receipts)]
        if unsettled:
            raise PublishError("the bus was stopped before they were handled", unsettled + unroutable)
        if unroutable:
            raise Unroutable("no queue is bound", unroutable)

    def _send(self, message: Message) -> list[Receipt]:
        PUBLISHED.labels(message.exchange).inc()
        return [queue.add(message) for queue in self._broker.bound_to(message.exchange, message.key)]

    async def _settlement(self, receipts: set[Receipt]) -> None:
        waiting = {receipt for receipt in receipts if not receipt.done()}
        if not waiting:
            return
        self._unsettled |= waiting
        try:
            await asyncio.wait(waiting)
        finally:
            self._unsettled -= waiting

    def consume(self, queue: str, handler: Handler, *, batch_size: int = 200) -> None:
        if queue not in self._broker.queues:
            raise ValueError(f"no durable queue is called {queue}")
        keep_dead_letter = partial(self._broker.keep_dead_letter, queue)
        turn = self._broker.queues[queue].turn
        self._subscriptions[queue] = Subscription(queue, handler, batch_size, self._retry, keep_dead_letter, turn)

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
        broadcast = InProcessBroadcast(self._broker, subscription, bindings, Resets(name, on_reset), max_length)
        self._broadcasts.append(broadcast)
        return broadcast
