"""The workload on a single process that is killed again and again, with every promise judged by what all have seen."""

import asyncio
import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.faults.checker import check, report
from tests.e2e.faults.final import of_standalone
from tests.e2e.faults.storage import load, store
from tests.e2e.faults.workload import Workload
from tests.support.factories import Measured
from tests.support.product import Standalone

ROUNDS = 4
SERVED_WITHIN_S = 30
"""What fails a test. The aim is 10 s; what it took is shown at the end."""


@pytest.fixture
def own_product(tmp_path: Path) -> Iterator[Standalone]:
    standalone = Standalone(tmp_path)
    standalone.start()
    yield standalone
    standalone.kill()


@pytest.fixture
def seed() -> int:
    """PARLEY_TEST_SEED, to make a run's decisions again."""
    return int(os.environ.get("PARLEY_TEST_SEED") or secrets.randbits(32))


@pytest.mark.standalone
@pytest.mark.timeout(180)
async def test_killed_again_and_again_keeps_every_promise(
    own_product: Standalone, tmp_path: Path, seed: int, measured: Measured
) -> None:
    moments = random.Random(seed)
    workload = await Workload.start(own_product.base_url, seed, clients=8, rooms=4)
    try:
        for number in range(ROUNDS):
            await workload.served(within=SERVED_WITHIN_S)
            await asyncio.sleep(moments.uniform(0, 0.5))  # so that the kill meets any moment
            own_product.kill()
            await asyncio.to_thread(own_product.start)
            seconds = await workload.served(within=SERVED_WITHIN_S)
            measured(f"single process killed, round {number + 1}: all served {seconds:.1f} s after it was ready")
        history = await workload.finish()
    finally:
        await workload.stop()
    own_product.stop()
    final = of_standalone(tmp_path / "data")

    violations = check(history, final)

    store(tmp_path / "history.jsonl", history, final)
    assert not violations, f"{report(history, violations)}\nstored in {tmp_path / 'history.jsonl'}"
    assert check(*load(tmp_path / "history.jsonl")) == []
    assert len(final.entries) > 100
