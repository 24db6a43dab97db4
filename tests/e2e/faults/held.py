"""A queue of the injector's own, and what came there: given back after a while, in any order, so many times."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

_AT_MOST_S = 2.0

Addressees = Callable[[AbstractIncomingMessage], Sequence[str]]
"""The queues that a message is given back to."""


class Held:
    """Messages are copied straight into queues, past the exchanges: so nobody else hears them, the injector neither."""

    def __init__(self, channel: AbstractChannel, queue: AbstractQueue, seed: int) -> None:
        self.queue = queue
        self.given = 0
        self._channel = channel
        self._random = random.Random(seed)
        self._messages: list[AbstractIncomingMessage] = []
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self, addressees: Addressees, copies: Sequence[int]) -> None:
        """Holds what comes. Each message is given back as often as one of `copies`, drawn anew, says."""
        self._addressees = addressees
        self._copies = copies
        await self.collect()
        self._task = asyncio.create_task(self._give_back())

    async def collect(self) -> None:
        """Holds what comes, and gives nothing back."""
        await self.queue.consume(self._take, no_ack=True)

    async def first(self, *, within: float) -> AbstractIncomingMessage:
        async with asyncio.timeout(within):
            await self._some.wait()
        return self._messages[0]

    @property
    def messages(self) -> Sequence[AbstractIncomingMessage]:
        return self._messages

    async def end(self) -> None:
        """What is left is given back at once."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._give(len(self._messages))

    async def give(self, message: AbstractIncomingMessage, queue: str) -> None:
        copy = aio_pika.Message(
            message.body,
            content_type=message.content_type,
            headers={name: value for name, value in message.headers.items() if isinstance(value, str)},
            delivery_mode=message.delivery_mode,
            correlation_id=message.correlation_id,
            type=message.type,
        )
        await self._channel.default_exchange.publish(copy, queue, mandatory=False)
        self.given += 1

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._messages.append(message)
        self._some.set()

    async def _give_back(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.05, _AT_MOST_S))
            await self._give(self._random.randint(0, len(self._messages)))

    async def _give(self, count: int) -> None:
        self._random.shuffle(self._messages)
        given, self._messages = self._messages[:count], self._messages[count:]
        for message in given:
            for queue in self._addressees(message):
                for _ in range(self._random.choice(self._copies)):
                    await self.give(message, queue)


@asynccontextmanager
async def holding(broker_url: str, seed: int) -> AsyncIterator[Held]:
    """Its queue dies with the connection."""
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        yield Held(channel, await channel.declare_queue(exclusive=True), seed)
