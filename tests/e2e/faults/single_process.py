"""The workload on the single process, which is killed again and again."""

import asyncio
import random
from pathlib import Path

from tests.e2e.faults.final import of_standalone
from tests.e2e.faults.history import History
from tests.e2e.faults.state import Final
from tests.e2e.faults.table import Row
from tests.e2e.faults.workload import Workload
from tests.support.product import Standalone

KIND = "single process killed"


async def killed_again_and_again(
    folder: Path, seed: int, *, rounds: int, given_up_after: float
) -> tuple[Row, History, Final]:
    """What became of it, with a data folder of its own. Raises `AssertionError` if somebody is not served in time."""
    standalone = Standalone(folder)
    moments = random.Random(seed)
    row = Row(KIND)
    await asyncio.to_thread(standalone.start)
    try:
        workload = await Workload.start(standalone.base_url, seed, clients=8, rooms=4)
        try:
            await workload.served(within=given_up_after)
            for _ in range(rounds):
                await asyncio.sleep(moments.uniform(0, 0.5))  # so that the kill meets any moment
                standalone.kill()
                await asyncio.to_thread(standalone.start)
                row.served_after.append(await workload.served(within=given_up_after))
                row.times += 1
            history = await workload.finish()
        finally:
            await workload.stop()
        await asyncio.to_thread(standalone.stop)
    finally:
        standalone.kill()
    row.commands, row.entries = workload.commands, workload.entries
    return row, history, of_standalone(folder / "data")
