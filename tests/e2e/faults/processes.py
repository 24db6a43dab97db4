"""Processes that end, or stand still."""

import asyncio
from dataclasses import dataclass, field

from docker.errors import APIError

from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stack import FaultyStack, Part
from tests.support.eventually import eventually

_KILLED = 137
_NOT_FROZEN = "unable to freeze"
_FREEZES_WITHIN_S = 10


async def end(stack: FaultyStack, part: Part) -> bool:
    """SIGTERM; returns whether it ended by itself in the time that docker-compose.yml gives it, else by SIGKILL."""
    container = stack.container(part)
    await asyncio.to_thread(container.stop)  # without a time of ours, the container's own holds
    told = await asyncio.to_thread(container.wait)
    return bool(told["StatusCode"] != _KILLED)


async def pause(stack: FaultyStack, part: Part) -> None:
    """The kernel may give up on freezing a process that is just doing something: then once more."""

    async def is_paused() -> bool:
        try:
            await asyncio.to_thread(stack.container(part).pause)
        except APIError as error:
            if _NOT_FROZEN not in str(error):
                raise
            return False
        return True

    await eventually(is_paused, within=_FREEZES_WITHIN_S, every=0.1)


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
    """SIGTERM, with the time to end that it is promised; started again when healed. Raises AssertionError then, if it
    had to be killed."""

    kind = "told to end"
    _has_ended: bool = field(default=False, init=False)

    def __str__(self) -> str:
        return f"{self.part} told to end"

    async def inject(self, stack: FaultyStack) -> None:
        self._has_ended = await end(stack, self.part)
        self.bites = 1

    async def heal(self, stack: FaultyStack) -> None:
        await stack.start(self.part)
        assert self._has_ended, f"{self.part} was told to end, and had to be killed"


@dataclass
class Paused(_OfOnePart):
    """Frozen: its connections stay, and nobody answers on them."""

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "paused for longer than the heartbeat" if self.hold > HEARTBEAT_LOST_AFTER_S else "paused"

    def __str__(self) -> str:
        return f"{self.part} paused for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        await pause(stack, self.part)

    async def heal(self, stack: FaultyStack) -> None:
        await asyncio.to_thread(stack.container(self.part).unpause)
        self.bites = 1


HEARTBEAT_LOST_AFTER_S = 20
"""Twice the heartbeat that services and broker agree on."""
