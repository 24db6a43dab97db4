"""What a part stands on: memory, a disk, a clock."""

import asyncio
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from docker.errors import APIError

from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stack import FILLER, FaultyStack, Part

_RABBITMQ, _POSTGRES, _KEEPER = Part("rabbitmq"), Part("postgres"), Part("keeper")


_FILL = f"""
free=$(df --output=avail --block-size=1K /postgres | tail -1)
fallocate --length $((free - 1024))K {FILLER}
# the database grows meanwhile: what is left is taken until there is no more
dd if=/dev/zero of={FILLER} oflag=append conv=notrunc bs=4K 2>/dev/null
test $(df --output=avail --block-size=1K /postgres | tail -1) -lt 64
"""


_CLOCKS_DIFFER_BY_S = 60
_NO_SPACE = b"No space left on device"
_GROW = "CREATE TEMPORARY TABLE growing AS SELECT * FROM generate_series(1, 1000000)"
"""Needs some 35 MB more, and leaves nothing."""

_SHOWN_CLOCK = """
import os, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:" + os.environ["PARLEY_PORT"] + "/healthz", timeout=5).headers["Date"])
"""
"""Run inside a part, this tells the time by the service's own clock, not by that of a process that has just begun."""


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

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({_POSTGRES})

    def __str__(self) -> str:
        return f"postgres's disk full for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        await stack.run(_KEEPER, "sh", "-c", _FILL)

    async def heal(self, stack: FaultyStack) -> None:
        psql = ["psql", "--no-psqlrc", "--username", "postgres", "--command", _GROW]
        try:
            _, told = await asyncio.to_thread(stack.container(_POSTGRES).exec_run, psql)
            self.bites = told.count(_NO_SPACE)
        except APIError:
            self.bites = 1  # without room for its log it could not even go on running
        finally:
            await stack.run(_KEEPER, "rm", "-f", FILLER)
        await stack.start(_POSTGRES)


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
        try:
            shown = parsedate_to_datetime(await stack.run(self.part, "python", "-c", _SHOWN_CLOCK))
        finally:
            await self._set(stack, 0)
        self.bites = int(abs(shown.timestamp() - time.time() - self.offset) < _CLOCKS_DIFFER_BY_S)

    async def _set(self, stack: FaultyStack, offset: int) -> None:
        await stack.run(self.part, "sh", "-c", f"echo {offset:+d} >/tmp/clock")
