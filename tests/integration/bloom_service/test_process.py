"""`python -m bloom_service` with a real broker: killed, refused by the disk, started twice."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from messaging.rabbitmq import RabbitMQBus
from tests.support.bloom_service import SERVICE_TOKEN, TOPOLOGY, Asked, Users, new_digest
from tests.support.bus import until_connected
from tests.support.servers.server import OwnServer, free_port


class Program(Asked):
    """The service as a process of its own."""

    def __init__(self, http: httpx.AsyncClient, broker_url: str, folder: Path) -> None:
        super().__init__(http)
        self.environment = {
            **os.environ,
            "PARLEY_PORT": str(http.base_url.port),
            "PARLEY_DATA_DIR": str(folder),
            "PARLEY_BROKER_URL": broker_url,
            "PARLEY_SERVICE_TOKEN": SERVICE_TOKEN,
            "PARLEY_LOG_LEVEL": "warning",
        }

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "bloom_service"], env=self.environment)

    async def send(self, number: signal.Signals) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 10)


@asynccontextmanager
async def new_program(broker_url: str, folder: Path) -> AsyncIterator[Program]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False) as http:
        program = Program(http, broker_url, folder)
        program.start()
        try:
            yield program
        finally:
            program.process.kill()
            program.process.wait()


@pytest.fixture
async def users(own_rabbitmq: OwnServer) -> AsyncIterator[Users]:
    bus = RabbitMQBus(own_rabbitmq.url, TOPOLOGY, name="user_service")
    await bus.start()
    await until_connected(bus)
    users = Users(bus)
    await users.say_watermark(nobody=True)
    async with users.saying_watermarks():
        yield users
    await bus.stop()


@pytest.mark.timeout(120)
async def test_killed_again_and_again_while_people_register_forgets_nobody(
    own_rabbitmq: OwnServer, users: Users, tmp_path: Path
) -> None:
    known: list[str] = []
    async with new_program(own_rabbitmq.url, tmp_path) as program:
        await program.answers(within=30)
        for _ in range(4):
            registering = asyncio.create_task(register(users, 300))
            await program.count_reaches(len(known) + 20, within=30)
            assert await program.send(signal.SIGKILL) == -signal.SIGKILL
            known += await registering
            program.start()
            await program.answers(within=30)
            await program.count_reaches(len(known), within=30)

        assert all(await program.might_exist(*known[:600]))
        assert all(await program.might_exist(*known[600:]))
        assert (await program.stats())["count"] == len(known)
        assert await program.send(signal.SIGTERM) == 0


async def register(users: Users, number: int) -> list[str]:
    digests = [new_digest() for _ in range(number)]
    for start in range(0, number, 10):
        await users.register(*digests[start : start + 10])
    return digests


@pytest.mark.timeout(120)
async def test_a_disk_that_refuses_holds_events_up_and_loses_none(
    own_rabbitmq: OwnServer, users: Users, tmp_path: Path
) -> None:
    digests = [new_digest() for _ in range(20)]
    async with new_program(own_rabbitmq.url, tmp_path) as program:
        await program.answers(within=30)
        unlimited = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (100, unlimited[1]))

        await users.register(*digests)

        await program.is_behind()
        assert (await program.stats())["count"] == 0
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, unlimited)
        await program.count_reaches(len(digests), within=30)
        await program.answers()
        assert await program.might_exist(*digests) == [True] * len(digests)


@pytest.mark.timeout(120)
async def test_two_do_not_share_a_folder(own_rabbitmq: OwnServer, users: Users, tmp_path: Path) -> None:
    digest = new_digest()
    async with new_program(own_rabbitmq.url, tmp_path) as program:
        await program.answers(within=30)
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bloom_service"],
            env={**program.environment, "PARLEY_PORT": str(free_port())},
            capture_output=True,
            text=True,
            timeout=30,
        )

        assert second.returncode == 1
        assert second.stderr == f"Another process is working on {tmp_path}.\n"
        await users.register(digest)
        await program.count_reaches(1)
