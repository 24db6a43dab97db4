"""What a fault is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from tests.e2e.faults.stack import FaultyStack, Part


@dataclass
class Fault(ABC):
    """Something that goes wrong, for as long as it is held, and is then put right.

    `kind` is its row in the table. `parts` is what it lays hands on: two faults at once share none.
    `bites` counts, when it is healed, what it is known to have hit: packets, messages, exits.
    """

    kind: ClassVar[str]
    hold: float
    """Seconds between the injection and the healing."""

    bites: int = field(default=0, init=False)

    @property
    @abstractmethod
    def parts(self) -> frozenset[Part]: ...

    @abstractmethod
    async def inject(self, stack: FaultyStack) -> None: ...

    @abstractmethod
    async def heal(self, stack: FaultyStack) -> None: ...
