"""A listener's bindings, wished for by anybody at any time and made by one task."""

import asyncio
from collections.abc import Sequence

from aio_pika.abc import AbstractQueue

from messaging.bus import Binding
from messaging.delivery import Subscription
from messaging.resets import Resets

BIND_TIMEOUT = 15.0


class RabbitMQBroadcast:
    """See `messaging.bus.Broadcast`.

    A cancelled AMQP call closes its channel, so `bind` and `unbind`, which come from short-lived tasks, only write down
    what is wanted; `keep_bound`, a task that lives as long as the queue does, makes it so.
    """

    def __init__(
        self, subscription: Subscription, bindings: Sequence[Binding], resets: Resets, max_length: int
    ) -> None:
        self.subscription = subscription
        self.resets = resets
        self.max_length = max_length
        self._wanted = set(bindings)
        self._bound: set[Binding] = set()
        self._changed = asyncio.Event()
        self._bindings_made = asyncio.Condition()

    async def bind(self, bindings: Sequence[Binding]) -> None:
        self._wanted.update(bindings)
        self._changed.set()
        async with self._bindings_made:
            await self._bindings_made.wait_for(lambda: self._bound.issuperset(self._wanted.intersection(bindings)))

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        self._wanted.difference_update(bindings)
        self._changed.set()

    async def make_bindings(self, queue: AbstractQueue) -> None:
        """Bind and unbind until the queue is bound to what is wanted."""
        while self._bound != self._wanted:
            for binding in self._bound - self._wanted:
                self._bound.remove(binding)
                await queue.unbind(binding.exchange, binding.key)
            for binding in self._wanted - self._bound:
                await queue.bind(binding.exchange, binding.key)
                self._bound.add(binding)
        async with self._bindings_made:
            self._bindings_made.notify_all()

    async def keep_bound(self, queue: AbstractQueue) -> None:
        """Runs until cancelled, or until the broker refuses or does not answer."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            async with asyncio.timeout(BIND_TIMEOUT):
                await self.make_bindings(queue)

    def forget_bindings(self) -> None:
        """The queue they were made for is gone."""
        self._bound.clear()
