"""What has arrived in one queue and is not settled yet."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from messaging.bus import Delivery

Receipt = TypeVar("Receipt")
"""What the transport wants back to know which delivery is meant."""


class Backlog(Generic[Receipt]):
    """One queue's deliveries that have arrived and are not settled yet, oldest first, with the transport's receipts.

    `acknowledge` is awaited with the receipts of what has been settled, in order. Beyond `max_length` waiting
    deliveries the oldest are dropped.
    """

    def __init__(
        self, acknowledge: Callable[[Sequence[Receipt]], Awaitable[None]], max_length: int | None = None
    ) -> None:
        self._acknowledge = acknowledge
        self._waiting: deque[tuple[Delivery, Receipt]] = deque(maxlen=max_length)
        self._in_hand: deque[tuple[Delivery, Receipt]] = deque()
        self._arrived = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def add(self, delivery: Delivery, receipt: Receipt) -> None:
        self._waiting.append((delivery, receipt))
        self._arrived.set()

    async def take(self, limit: int) -> list[Delivery]:
        """Wait until something is there; return up to `limit` of it, or nothing once the backlog is closed."""
        while not self._waiting and not self.closed:
            self._arrived.clear()
            await self._arrived.wait()
        if self.closed:
            return []
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._in_hand += taken
        return [delivery for delivery, _ in taken]

    async def settle(self, count: int) -> None:
        """Acknowledge the first `count` of what was taken and is not settled yet."""
        await self._acknowledge([self._in_hand.popleft()[1] for _ in range(count)])

    def give_back(self) -> None:
        """Put what was taken and not settled back to the front."""
        while self._in_hand:
            self._waiting.appendleft(self._in_hand.pop())

    def close(self) -> None:
        """The transport has lost these deliveries and will bring them again: nobody is to begin on them."""
        self._closed.set()
        self._arrived.set()

    async def closes_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        return self.closed
