"""Waiting for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def eventually(probe: Callable[[], Awaitable[Found]], *, within: float = 10, every: float = 0.02) -> Found:
    """The first true value of the probe, asked every `every` seconds. Fails after `within` seconds without one."""
    deadline = time.monotonic() + within
    while not (found := await probe()):
        assert time.monotonic() < deadline, f"not within {within} s; last seen: {found!r}"
        await asyncio.sleep(every)
    return found
