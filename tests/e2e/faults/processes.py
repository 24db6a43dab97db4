"""Processes that end, or stand still."""

import asyncio
from dataclasses import dataclass

from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stack import FaultyStack, Part


@dataclass
class _OfOnePart(Fault):
    part: Part

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({self.part})


@dataclass
class Killed(_OfOnePart):
    """SIGKILL; started again when healed."""

    kind = "killed"

    def __str__(self) -> str:
        return f"{self.part} killed"

    async def inject(self, stack: FaultyStack) -> None:
        await asyncio.to_thread(stack.container(self.part).kill)
        self.bites = 1

    async def heal(self, stack: FaultyStack) -> None:
        await stack.start(self.part)


@dataclass
class Ended(_OfOnePart):
    """SIGTERM, with the time to end that it is promised; started again when healed."""

    kind = "told to end"

    def __str__(self) -> str:
        return f"{self.part} told to end"

    async def inject(self, stack: FaultyStack) -> None:
        await asyncio.to_thread(stack.container(self.part).stop)
        self.bites = 1

    async def heal(self, stack: FaultyStack) -> None:
        await stack.start(self.part)


@dataclass
class Paused(_OfOnePart):
    """Frozen: its connections stay, and nobody answers on them."""

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "paused for longer than the heartbeat" if self.hold > HEARTBEAT_LOST_AFTER_S else "paused"

    def __str__(self) -> str:
        return f"{self.part} paused for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        await asyncio.to_thread(stack.container(self.part).pause)

    async def heal(self, stack: FaultyStack) -> None:
        await asyncio.to_thread(stack.container(self.part).unpause)
        self.bites = 1


HEARTBEAT_LOST_AFTER_S = 20
"""Twice the heartbeat that services and broker agree on."""
