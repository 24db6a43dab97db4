"""What both buses do with messages that have arrived: batches, retry in place, dead letters.

A failed message is tried again where it stands, and what is behind it waits: that is what keeps a queue's order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Literal, TypeVar

import structlog

from messaging.backlog import Backlog, Receipt
from messaging.bus import Delivery, Handler, PublishError, Rest, RetryPolicy, TryAgain
from messaging.metrics import DEAD_LETTERED, HANDLED, RETRIED

log = structlog.get_logger(__name__)

STOP_GRACE = 3.0
"""Seconds that a handler has to finish the batch it has in hand when its bus stops."""

ONE_ATTEMPT = RetryPolicy(max_attempts=1)
"""For broadcast queues: what a handler fails on is not worth holding up what comes after it."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who handles a queue, and how.

    `dead_letter` keeps a message with the reason, or raises `PublishError`. Without it, messages given up are dropped.
    Workers that share a `turn` run one after the other.
    """

    queue: str
    handler: Handler
    batch_size: int
    retry: RetryPolicy
    dead_letter: Callable[[Delivery, str], Awaitable[None]] | None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Interrupted(Exception):
    """The worker is stopping, or its backlog is gone: leave the rest unsettled."""


class Worker(Generic[Receipt]):
    """The task that hands one backlog to its handler."""

    def __init__(self, subscription: Subscription, backlog: Backlog[Receipt]) -> None:
        self._subscription = subscription
        self._backlog = backlog
        self._stopping = False
        self._idle: set[asyncio.Task[None] | None] = set()
        self._finishing: asyncio.Task[None] | None = None
        self.task = asyncio.create_task(self._run(), name=f"bus:{subscription.queue}")

    async def stop(self, grace: float) -> None:
        """Let the handler finish what it has in hand, the rest included, for at most `grace` seconds; leave everything
        else."""
        self._stopping = True
        for task in (self.task, self._finishing):
            if task in self._idle and task is not None:
                task.cancel()
        _, late = await asyncio.wait({self.task}, timeout=grace)
        if late:
            log.warning("bus_handler_cancelled", queue=self._subscription.queue, grace=grace)
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=grace)

    async def _run(self) -> None:
        async with self._subscription.turn:
            try:
                while batch := await self._wait(self._backlog.take(self._subscription.batch_size)):
                    await self._work(batch)
                    await asyncio.sleep(0)  # a handler that never suspends must not keep the loop from everybody else
                    self._raise_if_interrupted()  # after it: whoever stops us from here on finds us waiting, and idle
            except _Interrupted:
                pass
            finally:
                try:
                    with suppress(_Interrupted):
                        await self._finished()
                finally:
                    self._backlog.give_back()

    async def _work(self, batch: Sequence[Delivery]) -> None:
        if len(batch) > 1:
            error = await self._handle(batch)
            if error is None:
                return
            # Whose fault it was is not known, so this counts as nobody's attempt.
            await self._pause_after(error, batch, self._subscription.retry.delay(1))
        for delivery in batch:
            await self._work_alone(delivery)

    async def _work_alone(self, delivery: Delivery) -> None:
        retry = self._subscription.retry
        while (error := await self._handle([delivery])) is not None:
            if delivery.attempt >= retry.max_attempts:
                self._log_failure(error, [delivery])
                await self._give_up(delivery, "failed", f"{type(error).__name__}: {error}")
                await self._settle(1)
                return
            await self._pause_after(error, [delivery], retry.delay(delivery.attempt))
            delivery.attempt += 1

    async def _handle(self, batch: Sequence[Delivery]) -> BaseException | None:
        """Run the handler and have the batch settled, or return what the handler raised."""
        tries = 0
        while True:
            self._raise_if_interrupted()
            for delivery in batch:
                delivery.rejection = None
            try:
                rest = await self._subscription.handler(batch)
            except (TryAgain, PublishError) as error:
                tries += 1
                await self._wait_for_the_world(error, batch, tries)
            except asyncio.CancelledError as error:
                if self.task.cancelling():
                    raise
                return error  # something inside the handler was cancelled, not this worker
            except Exception as error:
                return error
            else:
                break
        await self._finished()
        if rest is None:
            await self._finish(batch)
        else:
            self._finishing = asyncio.create_task(self._finish(batch, rest))
        return None

    async def _finish(self, batch: Sequence[Delivery], rest: Rest | None = None) -> None:
        if rest is not None:
            await self._until_published(rest, batch)
        for delivery in batch:
            if delivery.rejection is not None:
                await self._give_up(delivery, "rejected", delivery.rejection)
        await self._settle(len(batch))

    async def _finished(self) -> None:
        """Of the batch before: settling goes by order."""
        if self._finishing is None:
            return
        try:
            await self._finishing
        except asyncio.CancelledError:  # it was cut short, alone or with this worker, which then has nothing more to do
            raise _Interrupted from None
        finally:
            self._finishing = None

    async def _settle(self, number: int) -> None:
        if self._backlog.closed:
            raise _Interrupted
        await self._backlog.settle(number)
        HANDLED.labels(self._subscription.queue).inc(number)

    async def _give_up(self, delivery: Delivery, kind: Literal["rejected", "failed"], reason: str) -> None:
        queue, dead_letter = self._subscription.queue, self._subscription.dead_letter
        if dead_letter is None:
            log.error("bus_message_dropped", queue=queue, type=delivery.type, id=delivery.id)
            return
        await self._until_published(partial(dead_letter, delivery, reason), [delivery])
        DEAD_LETTERED.labels(queue, kind).inc()
        log.error("bus_message_dead_lettered", queue=queue, type=delivery.type, id=delivery.id, kind=kind)

    async def _until_published(self, publish: Rest, batch: Sequence[Delivery]) -> None:
        tries = 0
        while True:
            try:
                await publish()
            except PublishError as error:
                tries += 1
                await self._wait_for_the_world(error, batch, tries)
            else:
                return

    async def _wait_for_the_world(self, error: Exception, batch: Sequence[Delivery], tries: int) -> None:
        log.warning("bus_waits", queue=self._subscription.queue, messages=len(batch), tries=tries, reason=str(error))
        await self._pause(batch, self._subscription.retry.delay(tries))

    async def _pause_after(self, error: BaseException, batch: Sequence[Delivery], delay: float) -> None:
        self._log_failure(error, batch)
        await self._pause(batch, delay)

    async def _pause(self, batch: Sequence[Delivery], delay: float) -> None:
        RETRIED.labels(self._subscription.queue).inc(len(batch))
        self._raise_if_interrupted()
        if await self._wait(self._backlog.closes_within(delay)):
            raise _Interrupted

    async def _wait(self, event: Coroutine[None, None, Result]) -> Result:
        """Wait for something that `stop` may cut short."""
        task: asyncio.Task[None] | None = asyncio.current_task()
        self._idle.add(task)
        try:
            return await event
        finally:
            self._idle.remove(task)

    def _raise_if_interrupted(self) -> None:
        if self._stopping or self._backlog.closed:
            raise _Interrupted

    def _log_failure(self, error: BaseException, batch: Sequence[Delivery]) -> None:
        log.warning(
            "bus_handling_failed",
            queue=self._subscription.queue,
            messages=len(batch),
            id=batch[0].id,
            attempt=batch[0].attempt,
            exc_info=error,
        )
