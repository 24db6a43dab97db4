"""What processes have used, by /proc, and where they run."""

import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, GENERATOR_CORE = 0, 1
"""Different ones, where both are a single thread."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads so far, to the nanosecond."""
    return (
        sum(
            int((task / "schedstat").read_text().split()[0])
            for pid in pids
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
        / 1e9
    )


def memory_bytes(pids: Iterable[int]) -> int:
    """What they hold of their own: anonymous pages, each counted where it is shared by its share."""
    return sum(_rollup(pid, "Pss_Anon") for pid in pids)


def allow_files(number: int) -> None:
    """This process, and all that it starts from now on, may have so many open. Raises ValueError: it may not."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, number), most))


def pin(pid: int, core: int) -> None:
    """All threads of a process run on that core alone."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread runs on that core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _rollup(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(name)
