"""Answers that take the same time, whatever they are."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

STEP_S = 0.05
"""Several times what an answer takes, and no delay that somebody who fills in a form would notice."""

Found = TypeVar("Found")


class Pace:
    """Shows what was found, or raised, after a whole number of steps of `STEP_S` only.

    One that takes a little longer than another then comes at the same moment, nearly always: unless the end of a step
    falls between the two. The steps are counted beside the work and not after it, so that nothing of how long it took
    is left in what the clock rounds off.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep

    async def __call__(self, work: Coroutine[Any, Any, Found]) -> Found:
        working = asyncio.create_task(work)
        try:
            await self._sleep(STEP_S)
            while not working.done():
                await self._sleep(STEP_S)
            return await working
        finally:
            working.cancel()
