"""What tests of a bus need: buses at one broker, names of their own, and handlers that remember."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import uuid4

from messaging.bus import Binding, Bus, Delivery, Message, PublishError, Rest, RetryPolicy, Topology
from tests.support.eventually import eventually

FAST = RetryPolicy(max_attempts=3, first_delay=0.01, max_delay=0.02)


class Recorder:
    """A handler that remembers what it got."""

    def __init__(self) -> None:
        self.batches: list[list[Delivery]] = []

    async def __call__(self, batch: Sequence[Delivery]) -> None:
        self.batches.append(list(batch))

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for batch in self.batches for delivery in batch]

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    async def until(self, condition: Callable[[], bool], *, within: float = 10) -> None:
        async def probe() -> bool:
            return condition()

        await eventually(probe, within=within)

    async def until_it_has(self, count: int, *, within: float = 10) -> None:
        await self.until(lambda: len(self.deliveries) >= count, within=within)

    async def until_it_got(self, body: bytes, *, within: float = 10) -> None:
        await self.until(lambda: body in self.bodies, within=within)


class Gate(Recorder):
    """A handler that holds each batch until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.finished: list[bytes] = []

    async def __call__(self, batch: Sequence[Delivery]) -> None:
        await super().__call__(batch)
        await self.open.wait()
        self.finished.extend(delivery.body for delivery in batch)


class Failing(Recorder):
    """A handler that fails on batches with a given body in them, the first `times` times."""

    def __init__(self, body: bytes, error: Exception, times: int = 1_000_000) -> None:
        super().__init__()
        self._body = body
        self._error = error
        self.left = times
        self.handled: list[bytes] = []

    async def __call__(self, batch: Sequence[Delivery]) -> None:
        await super().__call__(batch)
        if self.left and any(delivery.body == self._body for delivery in batch):
            self.left -= 1
            raise self._error
        self.handled.extend(delivery.body for delivery in batch)


class Leaving:
    """A handler that leaves the rest for later: to wait for the gate to open, and then to fail the first times."""

    def __init__(self, failures: int = 0) -> None:
        self.open = asyncio.Event()
        self.handled: list[bytes] = []
        self.finished: list[bytes] = []
        self._failures = failures

    async def __call__(self, batch: Sequence[Delivery]) -> Rest:
        bodies = [delivery.body for delivery in batch]
        self.handled += bodies
        return partial(self._finish, bodies)

    async def until(self, condition: Callable[[], bool]) -> None:
        async def probe() -> bool:
            return condition()

        await eventually(probe)

    async def _finish(self, bodies: Sequence[bytes]) -> None:
        await self.open.wait()
        if self._failures:
            self._failures -= 1
            raise PublishError("not connected", ())
        self.finished += bodies


class Lab(ABC):
    """One exchange and two durable queues, `first` and `second`, both bound with `KEY`, and buses that use them."""

    KEY = "key"

    def __init__(self) -> None:
        self.exchange = f"exchange-{uuid4().hex}"
        self.first = f"first-{uuid4().hex}"
        self.second = f"second-{uuid4().hex}"
        bound = (Binding(self.exchange, self.KEY),)
        self.topology = Topology((self.exchange,), {self.first: bound, self.second: bound})
        self.buses: list[Bus] = []
        self._publishing: list[asyncio.Task[None]] = []

    @abstractmethod
    def bus(self, retry: RetryPolicy = FAST) -> Bus:
        """Another process's bus at the same broker, not started."""

    @abstractmethod
    async def queue_up(self, bus: Bus, messages: Sequence[Message]) -> None:
        """Publish, and return when the messages are in their queues, handled or not."""

    async def restart_broker(self) -> None:
        raise NotImplementedError

    async def kill_and_start_broker(self) -> None:
        raise NotImplementedError

    async def delete_queue(self, name: str) -> None:
        raise NotImplementedError

    def message(
        self, body: bytes | str = b"", key: str = KEY, *, id: str | None = None, durable: bool = True
    ) -> Message:
        body = body.encode() if isinstance(body, str) else body
        return Message(self.exchange, key, body, type="test.happened.v1", id=id or uuid4().hex, durable=durable)

    def messages(self, count: int) -> list[Message]:
        return [self.message(str(number)) for number in range(count)]

    async def start(self, *buses: Bus) -> None:
        for bus in buses:
            await bus.start()
        for bus in buses:
            await until_connected(bus)

    def publish_later(self, publishing: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(publishing)
        self._publishing.append(task)
        return task

    async def close(self) -> None:
        for bus in self.buses:
            await bus.stop()
        for task in self._publishing:
            task.cancel()
            with suppress(asyncio.CancelledError, PublishError):
                await task


async def until_connected(bus: Bus, *, within: float = 30) -> None:
    async def connected() -> bool:
        return bus.connected

    await eventually(connected, within=within)


async def nothing() -> None:
    pass


def numbers(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]
