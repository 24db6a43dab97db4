"""What processes have used, by /proc, and where they run."""

import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SERVER_CORE, GENERATOR_CORE = 0, 1
"""Different ones, where both are a single thread."""

_ENDED_CHILDREN = slice(13, 15)
"""Ticks in user and in kernel mode, in what follows the name in a process's `stat`."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads so far, to the nanosecond; also of the processes below them, as a server may start one for each
    connection, and to the tick of those that have ended."""
    return sum(_cpu_seconds(pid) for pid in _tree(pids))


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


def _tree(pids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        if (pid := waiting.pop()) not in found:
            found.add(pid)
            for thread in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    waiting += map(int, thread.read_text().split())
    return found


def _cpu_seconds(pid: int) -> float:
    """0 of a process that has ended: its parent's children that have ended have used that."""
    with suppress(FileNotFoundError, ProcessLookupError):
        own = sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_ENDED_CHILDREN]
        return own / 1e9 + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _rollup(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(name)
