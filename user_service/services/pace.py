"""Answers that take the same time, whatever they are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

STEP_S = 0.05
"""Several times what an answer takes, and no delay that somebody who fills in a form would notice."""

_TIMERS_ERR_BY_S = 0.003

_SLEEPERS = ThreadPoolExecutor(8, "pace")
"""Of their own: passwords are hashed in those that everybody has."""

Found = TypeVar("Found")


async def sleep_exactly(seconds: float) -> None:
    """So many seconds, more than a few thousandths.

    What an event loop's timer comes late by, up to a millisecond or two, depends on what else has woken the loop, such
    as an answer of the database. So a thread sleeps the last of the time.
    """
    until = time.perf_counter() + seconds
    await asyncio.sleep(seconds - _TIMERS_ERR_BY_S)
    await asyncio.get_running_loop().run_in_executor(_SLEEPERS, _sleep_until, until)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


class Pace:
    """Shows what was found, or raised, after a whole number of steps of `STEP_S` only.

    One that takes a little longer than another then comes at the same moment, nearly always: unless the end of a step
    falls between the two. The steps are counted beside the work and not after it.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = sleep_exactly) -> None:
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
