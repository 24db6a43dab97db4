"""A workload for a test: while it is at work the test does harm, and then everything is judged."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.faults.checker import check, report
from tests.e2e.faults.history import History
from tests.e2e.faults.state import Final
from tests.e2e.faults.storage import store
from tests.e2e.faults.workload import Workload

FILTER_GRACE_S = 3.5
"""How fast the filter hears of a registration is no matter for a test. From 3 s on it knows that it is behind."""


def new_seed() -> int:
    """PARLEY_TEST_SEED makes a run's decisions again."""
    return int(os.environ.get("PARLEY_TEST_SEED") or secrets.randbits(32))


def judge(history: History, final: Final, folder: Path) -> None:
    """Raises AssertionError with each promise that was broken, and the seed; the whole run is then stored in the
    folder."""
    if violations := check(history, final, filter_grace_s=FILTER_GRACE_S):
        store(folder / "run.jsonl", history, final)
        raise AssertionError(f"{report(history, violations)}\nstored in {folder / 'run.jsonl'}")


@asynccontextmanager
async def judged_workload(
    base_url: str, read_final: Callable[[], Final], folder: Path, *, clients: int = 8, rooms: int = 4, rate: float = 50
) -> AsyncIterator[Workload]:
    """At work throughout; then finished, and judged: see `judge`."""
    workload = await Workload.start(base_url, new_seed(), clients=clients, rooms=rooms, rate=rate)
    try:
        yield workload
        history = await workload.finish()
    finally:
        await workload.stop()
    final = await asyncio.to_thread(read_final)
    # others may be at work on the same product
    judge(history, final.of(set(workload.room_ids)), folder)
