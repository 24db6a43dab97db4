"""What a part stands on: memory, a disk, a clock."""

import asyncio
import time
from dataclasses import dataclass, field

from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stack import FaultyStack, Part

_RABBITMQ, _POSTGRES, _KEEPER = Part("rabbitmq"), Part("postgres"), Part("keeper")


_FILL = """
free=$(df --output=avail --block-size=1K /postgres | tail -1)
fallocate --length $((free - 1024))K /postgres/filler
# the database grows meanwhile: what is left is taken until there is no more
dd if=/dev/zero of=/postgres/filler oflag=append conv=notrunc bs=4K 2>/dev/null
test $(df --output=avail --block-size=1K /postgres | tail -1) -lt 64
"""


@dataclass
class MemoryAlarm(Fault):
    """The broker believes that it is out of memory, and stops to read from whoever publishes."""

    kind = "broker's memory alarm"
    _watermark: str = field(default="", init=False)

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({_RABBITMQ})

    def __str__(self) -> str:
        return f"rabbitmq's memory alarm for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        self._watermark = await stack.evaluate("vm_memory_monitor:get_vm_memory_high_watermark().")
        await stack.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.00001).")

    async def heal(self, stack: FaultyStack) -> None:
        self.bites = (await stack.evaluate("rabbit_alarm:get_alarms().")).count("memory")
        await stack.evaluate(f"vm_memory_monitor:set_vm_memory_high_watermark({self._watermark}).")


@dataclass
class DiskFull(Fault):
    """Not one more page for PostgreSQL."""

    kind = "database's disk full"
    _since: float = field(default=0, init=False)

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({_POSTGRES})

    def __str__(self) -> str:
        return f"postgres's disk full for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        self._since = time.time()
        await stack.run(_KEEPER, "sh", "-c", _FILL)

    async def heal(self, stack: FaultyStack) -> None:
        await stack.run(_KEEPER, "rm", "-f", "/postgres/filler")
        log = await asyncio.to_thread(stack.container(_POSTGRES).logs, since=self._since)
        self.bites = log.count(b"No space left on device")


@dataclass
class WrongClock(Fault):
    """A service's clock jumps by so many seconds, and back when healed. Durations are measured rightly throughout."""

    kind = "clock an hour off"
    part: Part
    offset: int

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({self.part})

    def __str__(self) -> str:
        return f"{self.part}'s clock {self.offset:+d} s off for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        await self._set(stack, self.offset)

    async def heal(self, stack: FaultyStack) -> None:
        shown = int(await stack.run(self.part, "date", "+%s"))
        self.bites = int(abs(shown - time.time() - self.offset) < 60)
        await self._set(stack, 0)

    async def _set(self, stack: FaultyStack, offset: int) -> None:
        await stack.run(self.part, "sh", "-c", f"echo {offset:+d} >/tmp/clock")
