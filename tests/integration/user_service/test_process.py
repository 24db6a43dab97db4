"""The service's health, with what it needs and without."""

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

from tests.support.client import User, new_credentials
from tests.support.eventually import eventually
from tests.support.shapes import ok, problem
from tests.support.user_service import SERVICE_TOKEN, SIGNING_KEY, UserService, running_user_service
from user_service.migrations import upgrade


async def test_is_ready_with_its_database_and_broker(service: UserService) -> None:
    assert ok(await service.http.get("/readyz")) == {"status": "ready"}


async def test_says_so_when_the_broker_is_away(service: UserService) -> None:
    await service.bus.stop()

    assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"broker"}


async def test_is_alive_and_answers_503_while_the_database_is_away() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        url = f"postgresql+asyncpg://parley@127.0.0.1:{nobody.getsockname()[1]}/parley"
        async with running_user_service(url) as service:
            ok(await service.http.get("/healthz"))
            assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"database"}
            response = await service.http.post("/api/v1/users", json=new_credentials())
            problem(response, 503, "unavailable")
            assert response.headers["Retry-After"] == "1"


async def test_reports_its_metrics(service: UserService) -> None:
    metrics = (await service.http.get("/metrics")).text

    assert 'parley_outbox_oldest_seconds{outbox="user_service"}' in metrics


_SETTINGS = {
    "PARLEY_DATABASE_URL": "sqlite+aiosqlite:///users.db",
    "PARLEY_BROKER_URL": "amqp://127.0.0.1",
    "PARLEY_BLOOM_SERVICE_URL": "http://127.0.0.1:8004",
    "PARLEY_SERVICE_TOKEN": SERVICE_TOKEN,
    "PARLEY_SIGNING_KEY": SIGNING_KEY,
    "PARLEY_EMAIL_DIGEST_KEY": SERVICE_TOKEN,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in _SETTINGS),
        ("PARLEY_SERVICE_TOKEN", "changeme-changeme-changeme"),
        ("PARLEY_EMAIL_DIGEST_KEY", "short"),
        ("PARLEY_EMAIL_DIGEST_SECOND_KEY", "short"),
        pytest.param(
            "PARLEY_EMAIL_DIGEST_SECOND_KEY", SERVICE_TOKEN, id="PARLEY_EMAIL_DIGEST_SECOND_KEY-the-same-as-the-first"
        ),
        ("PARLEY_SIGNING_KEY", "not thirty-two bytes in base64url"),
        pytest.param("PARLEY_SIGNING_KEY", SIGNING_KEY[:30], id="PARLEY_SIGNING_KEY-too-short"),
    ],
)
def test_does_not_start_with_a_setting_that_is_missing_or_wrong(name: str, value: str | None) -> None:
    environment = {key: os.environ[key] for key in ("PATH",)} | _SETTINGS
    if value is None:
        del environment[name]
    else:
        environment[name] = value

    done = subprocess.run(
        [sys.executable, "-m", "user_service"], env=environment, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert name in line
    assert value is None or value not in line


async def test_starts_without_its_broker_serves_and_ends_when_told(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/users.db"
    await upgrade(url)
    port = free_port()
    environment = {
        **os.environ,
        **_SETTINGS,
        "PARLEY_DATABASE_URL": url,
        "PARLEY_BROKER_URL": f"amqp://127.0.0.1:{free_port()}",
        "PARLEY_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "user_service", env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

        async def is_alive() -> bool:
            with suppress(httpx.ConnectError):
                return (await http.get("/healthz")).is_success
            return False

        await eventually(is_alive, within=20)
        assert ok(await http.get("/readyz"), 503)["missing"].keys() == {"broker"}
        await User.register(http)

    process.terminate()
    output, _ = await asyncio.wait_for(process.communicate(), 10)

    assert process.returncode == 0
    for line in output.splitlines():
        assert json.loads(line)["level"] != "error"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
