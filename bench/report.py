"""How results are written down."""

import multiprocessing
import platform
from collections.abc import Iterable
from pathlib import Path


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown, of numbers."""
    names = list(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (names, ["---:"] * len(names), *rows))


def ratios(numbers: Iterable[float]) -> list[str]:
    """Of each to the one before."""
    found, before = [], 0.0
    for number in numbers:
        found.append(f"{number / before:.1f}" if before > 0 else "")
        before = number
    return found


def machine() -> str:
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in facts if line.startswith("model name")), platform.machine())
    return f"{multiprocessing.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"
