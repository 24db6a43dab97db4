"""What is promised holds on a single process that is killed, or ended, again and again (G8)."""

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.faults.final import of_standalone
from tests.e2e.faults.judgement import judged_workload
from tests.support.factories import Measured
from tests.support.product import Standalone

ROUNDS = 3
SERVED_WITHIN_S = 30
"""What fails a test. The aim is 10 s; what it took is shown at the end."""

pytestmark = pytest.mark.standalone


@pytest.fixture
def own_product(tmp_path: Path) -> Iterator[Standalone]:
    standalone = Standalone(tmp_path)
    standalone.start()
    yield standalone
    standalone.kill()


@pytest.mark.timeout(180)
async def test_killed_again_and_again_keeps_every_promise(
    own_product: Standalone, tmp_path: Path, measured: Measured
) -> None:
    final = partial(of_standalone, tmp_path / "data")
    async with judged_workload(own_product.base_url, final, tmp_path, clients=6) as workload:
        await workload.served(within=SERVED_WITHIN_S)
        for number in range(ROUNDS):
            await asyncio.sleep(random.uniform(0, 0.5))  # so that the kill meets any moment
            own_product.kill()
            await asyncio.to_thread(own_product.start)
            seconds = await workload.served(within=SERVED_WITHIN_S)
            measured(f"single process killed, round {number + 1}: all served {seconds:.1f} s after it was ready")


@pytest.mark.timeout(120)
async def test_ended_and_started_again_under_load_keeps_every_promise(own_product: Standalone, tmp_path: Path) -> None:
    final = partial(of_standalone, tmp_path / "data")
    async with judged_workload(own_product.base_url, final, tmp_path, clients=6) as workload:
        await workload.served(within=SERVED_WITHIN_S)
        own_product.terminate()
        assert await asyncio.to_thread(own_product.wait) == 0
        await asyncio.to_thread(own_product.start)
        await workload.served(within=SERVED_WITHIN_S)
