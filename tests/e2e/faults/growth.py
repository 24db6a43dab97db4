"""Nothing may grow without bound: what queues hold, and what each part takes of memory and file descriptors."""

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from docker.errors import APIError

from tests.e2e.faults.stack import PARTS, FaultyStack, Part

MEBIBYTE = 2**20

DESCRIPTORS = "descriptors"
"""Of the process that has most: PostgreSQL has a process for each connection, and these come and go."""

MEMORY = "MiB"
_MAY_GROW_BY = {DESCRIPTORS: 150, MEMORY: 150}
"""Beyond half of what it was at first. Clients move from one gateway to the other, and caches fill."""

_COUNT_DESCRIPTORS = "for fd in /proc/[0-9]*/fd; do ls $fd 2>/dev/null | wc -l; done | sort -n | tail -1"


@dataclass
class Gauge:
    """One measure of one part. Kept of it: the first, the largest and the last."""

    first: int
    largest: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.largest = self.last = self.first

    def take(self, value: int) -> None:
        self.largest = max(self.largest, value)
        self.last = value

    def has_outgrown(self, by: int) -> bool:
        return self.largest > self.first * 1.5 + by


class Growth:
    """Sampled after each fault."""

    def __init__(self) -> None:
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._queues = Gauge(0)

    async def sample(self, stack: FaultyStack) -> None:
        """A part that is not there to be measured, as the database after its disk was full, is left out this time."""
        self._queues.take(int(sum(depth for depth in (await stack.queue_depths()).values() if depth < math.inf)))
        for part, measures in await asyncio.gather(*(_measure(stack, part) for part in PARTS)):
            for name, value in measures.items():
                if gauge := self._gauges.get((str(part), name)):
                    gauge.take(value)
                else:
                    self._gauges[str(part), name] = Gauge(value)

    def outgrown(self) -> Iterator[str]:
        """A sentence for each measure that has been beyond its bound."""
        for (part, name), gauge in self._gauges.items():
            if gauge.has_outgrown(_MAY_GROW_BY[name]):
                yield f"{part} has grown from {gauge.first} to {gauge.largest} {name}"

    def __str__(self) -> str:
        lines = [f"{'first, largest, last':<18}  {MEMORY:>18}  {DESCRIPTORS:>18}"]
        for part in dict.fromkeys(part for part, _ in self._gauges):
            memory, descriptors = (_cell(self._gauges[part, name]) for name in (MEMORY, DESCRIPTORS))
            lines.append(f"{part:<18}  {memory}  {descriptors}")
        queued = self._queues
        return "\n".join([*lines, f"messages in all queues: at most {queued.largest}, {queued.last} at last"])


def _cell(gauge: Gauge) -> str:
    return f"{gauge.first:6}{gauge.largest:6}{gauge.last:6}"


async def _measure(stack: FaultyStack, part: Part) -> tuple[Part, dict[str, int]]:
    try:
        owner = await stack.run(part, "stat", "-c", "%u", "/proc/1")
        counted = await stack.run(part, "sh", "-c", _COUNT_DESCRIPTORS, user=owner)
    except (AssertionError, APIError):
        return part, {}
    usage = (await asyncio.to_thread(stack.container(part).stats, stream=False, one_shot=True))["memory_stats"]
    # what processes hold themselves: pages of files are the kernel's to drop, and PostgreSQL's disk is made of memory
    held = usage["stats"].get("anon", usage["stats"].get("rss", 0)) if "stats" in usage else 0
    return part, {MEMORY: held // MEBIBYTE, DESCRIPTORS: int(counted)} if counted.isdigit() and held else {}
