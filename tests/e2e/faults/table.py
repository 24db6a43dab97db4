"""The table of a run: what was injected, and what became of what was promised."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

VIOLATIONS = ("lost", "doubled", "out of order", "leaked", "other")
TOTAL = "total"


@dataclass
class Row:
    """One kind of fault. `served_after` are the seconds from each healing until every client was served again;
    infinite where they were not."""

    fault: str
    times: int = 0
    commands: int = 0
    entries: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    served_after: list[float] = field(default_factory=list)

    def add(self, other: "Row") -> None:
        self.times += other.times
        self.commands += other.commands
        self.entries += other.entries
        self.violations += other.violations
        self.served_after += other.served_after

    def cells(self) -> list[str]:
        counts = [self.times, self.commands, self.entries, *(self.violations[name] for name in VIOLATIONS)]
        longest = f"{max(self.served_after):.1f} s" if self.served_after else ""
        return [self.fault, *map(str, counts), longest]


class Table:
    """Rows in the order in which their faults came first."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, row: Row) -> None:
        self.rows.setdefault(row.fault, Row(row.fault)).add(row)

    @property
    def total(self) -> Row:
        total = Row(TOTAL)
        for row in self.rows.values():
            total.add(row)
        return total

    def __str__(self) -> str:
        head = ["fault", "times", "commands", "entries", *VIOLATIONS, "longest until served"]
        lines = [row.cells() for row in self.rows.values()]
        widths = [max(map(len, column)) for column in zip(head, *lines, self.total.cells(), strict=True)]
        rule = ["-" * width for width in widths]
        return "\n".join(_line(cells, widths) for cells in [head, rule, *lines, rule, self.total.cells()])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
