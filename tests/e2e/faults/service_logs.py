"""What the services logged as errors."""

import json
import re
from collections import Counter
from collections.abc import Iterable

from tests.support.shapes import Json

_LEVELS = ("error", "critical")
_LONGEST = 400
"""Characters: what asyncio says of an exception that nobody took comes after it."""

_CRASH = re.compile("Traceback|Fatal Python error|Segmentation fault|MemoryError")


def errors(lines: Iterable[str]) -> Counter[str]:
    """How often each distinct error, and each exception, stands in a service's log. None is one that an injected fault
    explains: what faults do is logged as a warning, and waited out."""
    found: Counter[str] = Counter()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            if _CRASH.search(line):  # of a process that could not even set up its log, or write it
                found[line.strip()] += 1
            continue
        if isinstance(entry, dict) and (entry.get("level") in _LEVELS or "exception" in entry):
            found[_name(entry)] += 1
    return found


def _name(entry: Json) -> str:
    raised = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("exception", [])]
    details = [str(entry[name]) for name in ("kind", "reason") if name in entry]
    words = " ".join([str(entry.get("event")), *details, *raised[:1]])
    return re.sub(r"\d+", "N", " ".join(words.split()))[:_LONGEST]
