"""Telling a listener that its broadcast queue was lost and made anew."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


class Resets:
    """Calls `on_reset` for every making of the queue but the first: one call at a time, in a task of its own."""

    def __init__(self, name: str, on_reset: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._on_reset = on_reset
        self._made = False
        self._due = False
        self._task: asyncio.Task[None] | None = None

    def queue_made(self) -> None:
        self._due = self._made
        self._made = True
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._call(), name=f"bus:{self._name}:reset")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _call(self) -> None:
        while self._due:
            self._due = False
            try:
                await self._on_reset()
            except Exception:
                log.exception("bus_reset_failed", queue=self._name)
