"""The service's health, with what it needs and without, and its settings."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from chat_service.migrations import upgrade
from tests.support.chat_service import SERVICE_TOKEN, ChatService, UserServiceStandIn, running_chat_service
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok, problem


async def test_is_ready_with_its_database_its_broker_and_the_keys(service: ChatService) -> None:
    assert ok(await service.http.get("/readyz")) == {"status": "ready"}


async def test_says_so_when_the_broker_is_away(service: ChatService) -> None:
    await service.bus.stop()

    assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"broker"}


async def test_is_alive_and_answers_503_while_all_else_is_away() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        url = f"postgresql+asyncpg://parley@127.0.0.1:{nobody.getsockname()[1]}/parley"
        user_service = UserServiceStandIn(status=503)
        async with running_chat_service(url, user_service=user_service) as service:
            alice = service.newcomer()
            ok(await service.http.get("/healthz"))
            assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"database", "signing_keys"}
            problem(await alice.get("/rooms"), 503, "unavailable")

            user_service.status = 200

            assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"database"}
            response = await alice.get("/rooms")
            problem(response, 503, "unavailable")
            assert response.headers["Retry-After"] == "1"


async def test_reports_its_metrics(service: ChatService, room: Json) -> None:
    metrics = (await service.http.get("/metrics")).text

    assert 'parley_outbox_oldest_seconds{outbox="chat_service"}' in metrics
    assert "parley_chat_command_batch_seconds" in metrics


_SETTINGS = {
    "PARLEY_DATABASE_URL": "sqlite+aiosqlite:///chat.db",
    "PARLEY_BROKER_URL": "amqp://127.0.0.1",
    "PARLEY_USER_SERVICE_URL": "http://127.0.0.1:8001",
    "PARLEY_SERVICE_TOKEN": SERVICE_TOKEN,
}


@pytest.mark.parametrize(
    ("name", "value"), [*((name, None) for name in _SETTINGS), ("PARLEY_SERVICE_TOKEN", "changeme-changeme-changeme")]
)
async def test_does_not_start_with_a_setting_that_is_missing_or_wrong(name: str, value: str | None) -> None:
    environment = {"PATH": os.environ["PATH"], **_SETTINGS}
    if value is None:
        del environment[name]
    else:
        environment[name] = value

    done = await asyncio.to_thread(_run, environment)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert name in line
    assert value is None or value not in line


async def test_starts_without_the_others_and_ends_when_told(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    await upgrade(url)
    port = _free_port()
    environment = {
        **os.environ,
        "PARLEY_DATABASE_URL": url,
        "PARLEY_BROKER_URL": f"amqp://127.0.0.1:{_free_port()}",
        "PARLEY_USER_SERVICE_URL": f"http://127.0.0.1:{_free_port()}",
        "PARLEY_SERVICE_TOKEN": SERVICE_TOKEN,
        "PARLEY_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chat_service", env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

        async def is_alive() -> bool:
            with suppress(httpx.ConnectError):
                return (await http.get("/healthz")).is_success
            return False

        await eventually(is_alive, within=20)
        assert ok(await http.get("/readyz"), 503)["missing"].keys() == {"broker", "signing_keys"}

    process.terminate()
    output, _ = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 0
    for line in output.splitlines():
        assert json.loads(line)["level"] != "error"


def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chat_service"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
