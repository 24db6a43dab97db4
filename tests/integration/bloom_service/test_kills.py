"""`python -m bloom_service` killed at any moment, with people registering and the filter being made anew all the time.

PARLEY_TEST_KILLS=100 kills it more often; PARLEY_TEST_SEED=… at the same moments again.
"""

import asyncio
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.bloom_program import Program, UserService, new_program, running_user_service
from tests.support.bloom_service import ExportStandIn, new_digest, registered
from tests.support.eventually import eventually
from tests.support.factories import Measured
from tests.support.servers.server import OwnServer

KILLS = int(os.environ.get("PARLEY_TEST_KILLS", "8"))
SEED = os.environ.get("PARLEY_TEST_SEED", secrets.token_hex(4))

SETTINGS = {
    "PARLEY_BLOOM_CAPACITY": "1000000",
    # so rarely wrong that a "yes" tells that the event was applied, or the export read
    "PARLEY_BLOOM_ERROR_RATE": "0.0000001",
    "PARLEY_LOG_LEVEL": "error",
}


@pytest.fixture
async def users(own_rabbitmq: OwnServer) -> AsyncIterator[UserService]:
    async with running_user_service(own_rabbitmq.url, ExportStandIn(page=500)) as users:
        await users.commit(*(registered(new_digest()) for _ in range(3_000)))
        yield users


class Witness:
    """Knows who has registered, and of whom the service has said so: of those it may never say "no" again."""

    def __init__(self, users: UserService, program: Program) -> None:
        self.users = users
        self.program = program
        self.known: list[str] = list(users.export.digests["a-key"].values())
        self.applied: set[str] = set()
        self.answers = 0

    async def check(self) -> bool:
        """Whether everybody is known. Fails at a wrong "no"; answers may also be refused, or not come at all."""
        asked = list(self.known)
        with suppress(httpx.TransportError):
            for start in range(0, len(asked), 1000):
                some = asked[start : start + 1000]
                response = await self.program.check(*some)
                if response.status_code == 503:
                    return False
                said = {digest for digest, yes in zip(some, response.json()["might_exist"], strict=True) if yes}
                self.answers += 1
                assert not self.applied.intersection(some) - said, "a wrong no"
                self.applied |= said
            return self.applied.issuperset(asked)
        return False

    async def register(self) -> None:
        while True:
            digests = [new_digest() for _ in range(5)]
            await self.users.register(*digests)
            self.known += digests
            await asyncio.sleep(0.1)  # so that a hundred kills later all of them can still be checked often

    async def rebuild(self) -> None:
        while True:
            with suppress(httpx.TransportError):
                await self.program.rebuild()
            await asyncio.sleep(0.05)

    async def keep_checking(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(0.02)


async def until_cancelled(*works: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_killed_at_any_moment_it_never_calls_anybody_unknown_whom_it_knew(
    users: UserService, tmp_path: Path, measured: Measured
) -> None:
    chance = random.Random(SEED)
    during = {"a start": 0, "rebuilds": 0, "a snapshot or swap": 0}
    async with new_program(users, tmp_path, **SETTINGS) as program:
        witness = Witness(users, program)
        await eventually(witness.check, within=30)
        work = asyncio.create_task(until_cancelled(witness.register(), witness.rebuild(), witness.keep_checking()))
        for moment in islice(cycle(during), KILLS):
            if moment != "a start":
                await eventually(lambda: stats_of(program), within=30)
            if moment == "a snapshot or swap":
                # which a start leaves behind none of: this is a rebuild's
                await eventually(lambda: is_there(tmp_path / "1", "filter.new"), within=60, every=0.0)
                await asyncio.sleep(chance.uniform(0.0, 0.02))
            else:
                await asyncio.sleep(chance.uniform(0.0, 1.0))
            assert await program.send(signal.SIGKILL) == -signal.SIGKILL
            during[moment] += 1
            program.start()
            if work.done():
                await work
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

        await eventually(witness.check, within=60)
        assert await program.send(signal.SIGTERM) == 0
    put_aside = " ".join(name for name in os.listdir(tmp_path / "1") if name.endswith(".corrupt"))
    phases = ", ".join(f"{number} during {phase}" for phase, number in during.items())
    measured(
        f"bloom_service: {KILLS} kills, {phases} (PARLEY_TEST_SEED={SEED}); {len(witness.known)} registered, "
        f"{witness.answers} answers, no wrong no; put aside: {put_aside or 'nothing'}"
    )


async def is_there(folder: Path, name: str) -> bool:
    return name in os.listdir(folder)


async def stats_of(program: Program) -> Any:
    """None if it does not answer (yet)."""
    with suppress(httpx.TransportError):
        return await program.stats()
    return None
