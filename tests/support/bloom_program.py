"""`python -m bloom_service` with a real broker, and a user_service that tells it of accounts."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from messaging.rabbitmq import RabbitMQBus
from tests.support.bloom_service import SERVICE_TOKEN, TOPOLOGY, Asked, ExportStandIn, Users
from tests.support.bus import until_connected
from tests.support.servers.server import free_port
from tests.support.serving import listening


class UserService(Users):
    """Its export is at `url`."""

    def __init__(self, bus: RabbitMQBus, export: ExportStandIn, url: str, broker_url: str) -> None:
        super().__init__(bus, export)
        self.url = url
        self.broker_url = broker_url


@asynccontextmanager
async def running_user_service(broker_url: str, export: ExportStandIn | None = None) -> AsyncIterator[UserService]:
    """Saying watermarks."""
    export = export or ExportStandIn()
    bus = RabbitMQBus(broker_url, TOPOLOGY, name="user_service")
    await bus.start()
    await until_connected(bus)
    async with listening(export.app()) as url:
        users = UserService(bus, export, url, broker_url)
        async with users.saying_watermarks():
            yield users
    await bus.stop()


class Program(Asked):
    """The service as a process of its own."""

    def __init__(self, http: httpx.AsyncClient, users: UserService, folder: Path, settings: dict[str, str]) -> None:
        super().__init__(http)
        self.folder = folder
        self.environment = {
            **os.environ,
            "PARLEY_PORT": str(http.base_url.port),
            "PARLEY_DATA_DIR": str(folder),
            "PARLEY_BROKER_URL": users.broker_url,
            "PARLEY_USER_SERVICE_URL": users.url,
            "PARLEY_SERVICE_TOKEN": SERVICE_TOKEN,
            "PARLEY_LOG_LEVEL": "warning",
            **settings,
        }

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "bloom_service"], env=self.environment)

    async def send(self, number: signal.Signals) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 10)

    async def command(self, module: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Another program in the same environment."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", module, *arguments],
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=30,
        )


@asynccontextmanager
async def new_program(users: UserService, folder: Path, **settings: str) -> AsyncIterator[Program]:
    """One that has been started."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False) as http:
        program = Program(http, users, folder, settings)
        program.start()
        try:
            yield program
        finally:
            program.process.kill()
            program.process.wait()
