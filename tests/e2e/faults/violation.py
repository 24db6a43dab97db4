"""What the checker finds."""

from typing import Literal, NamedTuple

Column = Literal["lost", "doubled", "out of order", "leaked", "other"]


class Violation(NamedTuple):
    """A promise (G1 to G9) that was broken, in which way, and the few records that prove it."""

    promise: str
    column: Column
    what: str
    proof: tuple[object, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.promise}, {self.column}: {self.what}", *(f"    {record}" for record in self.proof)])
