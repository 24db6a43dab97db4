"""What is promised holds on a single process that is killed, or ended, again and again (G8)."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.faults.final import of_standalone
from tests.e2e.faults.judgement import judge, judged_workload, new_seed
from tests.e2e.faults.single_process import killed_again_and_again
from tests.support.factories import Measured
from tests.support.product import Standalone

ROUNDS = 3
SERVED_WITHIN_S = 30
"""What fails a test. The aim is 10 s; what it took is shown at the end."""

pytestmark = pytest.mark.standalone


@pytest.mark.timeout(180)
async def test_killed_again_and_again_keeps_every_promise(tmp_path: Path, measured: Measured) -> None:
    row, history, final = await killed_again_and_again(
        tmp_path, new_seed(), rounds=ROUNDS, given_up_after=SERVED_WITHIN_S
    )

    judge(history, final, tmp_path)
    for number, seconds in enumerate(row.served_after, start=1):
        measured(f"single process killed, round {number}: all served {seconds:.1f} s after it was ready")


@pytest.mark.timeout(120)
async def test_ended_and_started_again_under_load_keeps_every_promise(own_product: Standalone, tmp_path: Path) -> None:
    final = partial(of_standalone, tmp_path / "data")
    async with judged_workload(own_product.base_url, final, tmp_path, clients=6) as workload:
        await workload.served(within=SERVED_WITHIN_S)
        own_product.terminate()
        assert await asyncio.to_thread(own_product.wait) == 0
        await asyncio.to_thread(own_product.start)
        await workload.served(within=SERVED_WITHIN_S)
