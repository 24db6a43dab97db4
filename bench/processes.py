"""What processes have used, by /proc."""

import os
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, GENERATOR_CORE = 0, 1
"""Different ones, where both are a single thread."""


def family(pid: int) -> Iterator[int]:
    """A process, and all that have come from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread runs on that core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def child(command: Sequence[str], core: int | None = None, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own, which says `listening` once it does."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert process.stdout is not None
        if (said := process.stdout.readline().strip()) != "listening":
            raise RuntimeError(f"{command[0]} said {said!r}")
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _rollup(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(name)
