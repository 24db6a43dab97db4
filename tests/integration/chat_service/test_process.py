"""The service's health, with what it needs and without, and its settings."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest

from tests.support.chat_service import SERVICE_TOKEN, ChatService, UserServiceStandIn, running_chat_service
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
        async with running_chat_service(url, user_service) as service:
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


@pytest.mark.parametrize("name", _SETTINGS)
async def test_ends_with_one_line_about_a_setting_that_is_missing(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PARLEY_")}
    settings = {key: value for key, value in _SETTINGS.items() if key != name}

    done = await asyncio.to_thread(_run, {**environment, **settings})

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert name in done.stderr


def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chat_service"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
