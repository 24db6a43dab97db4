"""Packets between two parts that are dropped, so that neither side is told."""

import re
from dataclasses import dataclass
from enum import StrEnum

from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stack import FaultyStack, Part


class Way(StrEnum):
    """Which packets are dropped."""

    BOTH = "cut off"
    OUT = "unheard"
    IN = "deaf"


@dataclass
class Cut(Fault):
    """No packet passes from `part` to `peer`, or back, or both."""

    part: Part
    peer: Part
    way: Way

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "network cut both ways" if self.way == Way.BOTH else "network cut one way"

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({self.part, self.peer})

    def __str__(self) -> str:
        match self.way:
            case Way.BOTH:
                return f"{self.part} and {self.peer} cut off from each other for {self.hold:.0f} s"
            case Way.OUT:
                return f"{self.part} not heard by {self.peer} for {self.hold:.0f} s"
            case Way.IN:
                return f"{self.part} deaf to {self.peer} for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        peer = stack.address(self.peer)
        lines = ["set -e", "nft add table inet faults"]
        if self.way != Way.IN:
            lines += _dropping("output", f"ip daddr {peer}")
        if self.way != Way.OUT:
            lines += _dropping("input", f"ip saddr {peer}")
        await stack.beside(self.part, "\n".join(lines))

    async def heal(self, stack: FaultyStack) -> None:
        told = await stack.beside(self.part, "nft list table inet faults && nft delete table inet faults")
        self.bites = sum(map(int, re.findall(r"packets (\d+)", told)))


def _dropping(hook: str, which: str) -> list[str]:
    return [
        f"nft add chain inet faults {hook} '{{ type filter hook {hook} priority 0; }}'",
        f"nft add rule inet faults {hook} {which} counter drop",
    ]
