"""How results are written down."""

from collections.abc import Iterable, Sequence
from statistics import median


def table(head: Iterable[str], rows: Iterable[Iterable[str]], texts: int = 0) -> str:
    """The first columns are `texts`, and the others numbers."""
    names = list(head)
    rule = ["---"] * texts + ["---:"] * (len(names) - texts)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (names, rule, *rows))


def ratios(numbers: Iterable[float]) -> list[str]:
    """Of each to the one before."""
    found, before = [], 0.0
    for number in numbers:
        found.append(f"{number / before:.1f}" if before > 0 else "")
        before = number
    return found


def number(value: float) -> str:
    """To three digits, or to the whole number."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or size == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """Median, smallest and largest."""
    if not values:
        return ""
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}..{number(max(values))})"
