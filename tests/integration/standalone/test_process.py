"""`python -m standalone`, from its first start to its end."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.client import new_credentials
from tests.support.servers.server import free_port
from tests.support.shapes import Json, ok, problem

ENDS_WITHIN_S = 5


class Parley:
    """One process of its own port and environment."""

    def __init__(self, data: Path, port: int, **environment: str) -> None:
        self.data = data
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.base_url, trust_env=False)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "standalone"],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
                "PARLEY_DATA_DIR": str(data),
                "PARLEY_PORT": str(port),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lines(self, last: str = "") -> list[str]:
        """What it says, up to the line that begins so; by default until it ends."""
        assert self.popen.stdout is not None
        lines: list[str] = []
        for line in self.popen.stdout:
            lines.append(line.rstrip("\n"))
            if last and line.startswith(last):
                return lines
        assert not last, f"ended with {lines}"
        return lines

    def ready(self) -> "Parley":
        self.lines("Parley is ready")
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> list[str]:
        """The last words of a process that ends well and in time."""
        self.popen.send_signal(number)
        started = time.monotonic()
        lines = self.lines()
        assert self.popen.wait(ENDS_WITHIN_S) == 0
        assert time.monotonic() - started < ENDS_WITHIN_S
        return lines

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def close(self) -> None:
        self.http.close()
        self.popen.kill()
        self.popen.communicate()

    def register(self) -> Json:
        credentials = new_credentials()
        ok(self.http.post("/api/v1/users", json=credentials), 201)
        return credentials

    def available(self, email: str) -> bool:
        answer: bool = ok(self.http.post("/api/v1/users/availability", json={"email": email}))["available"]
        return answer

    def metric(self, name: str) -> float:
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0

    def wait_for_filter(self) -> None:
        deadline = time.monotonic() + 10
        while self.metric("parley_bloom_behind") != 0:
            assert time.monotonic() < deadline, "the filter is still behind"
            time.sleep(0.02)


Start = Callable[..., Parley]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process on the test's data folder and port."""
    port = free_port()
    with ExitStack() as stack:

        def start_one(**environment: str) -> Parley:
            parley = Parley(tmp_path / "data", port, **environment)
            stack.callback(parley.close)
            return parley

        yield start_one


def test_says_step_by_step_how_it_starts_and_ends(start: Start) -> None:
    parley = start()

    assert parley.lines("Parley is ready") == [
        f"Data: {parley.data}",
        "Bringing the databases up to date ...",
        "Starting user_service, chat_service, gateway_ws and bloom_service ...",
        f"Parley is ready: {parley.base_url}",
    ]
    assert ok(parley.http.get("/healthz")) == {"status": "ok"}
    assert ok(parley.http.get("/readyz")) == {"status": "ready"}
    assert parley.end() == ["Parley has ended."]


def test_ctrl_c_ends_it_as_well(start: Start) -> None:
    assert start().ready().end(signal.SIGINT) == ["Parley has ended."]


def test_works_on_where_it_was_told_to(start: Start, tmp_path: Path) -> None:
    parley = start(PARLEY_HOST="::1", PARLEY_DATA_DIR=str(tmp_path / "elsewhere"))

    lines = parley.lines("Parley is ready")

    assert lines[-1] == f"Parley is ready: http://[::1]:{parley.port}"
    assert (tmp_path / "elsewhere" / "user_service.db").exists()
    ok(httpx.get(f"http://[::1]:{parley.port}/healthz", trust_env=False))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/api/v1"),
        ("GET", "/api/v1/usersome"),
        ("POST", "/emails/check"),
        ("GET", "/emails/stats"),
        ("GET", "/internal/v1/users/01890000-0000-7000-8000-000000000000"),
        ("GET", "/api/v1/users/../../../internal/v1/users/01890000-0000-7000-8000-000000000000"),
        ("GET", "//emails/stats"),
        ("GET", "/wsx"),
        ("GET", "/.well-known/other"),
    ],
)
def test_serves_the_public_interface_and_nothing_else(served: Parley, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {(served.data / 'service_token').read_text()}"}

    problem(served.http.request(method, path, headers=headers), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/.well-known/jwks.json", 200),
        ("/api/v1/users/me", 401),
        ("/api/v1/rooms", 401),
        ("/metrics", 200),
        ("/healthz", 200),
        ("/readyz", 200),
    ],
)
def test_serves_what_the_public_interface_names(served: Parley, path: str, status: int) -> None:
    assert served.http.get(path).status_code == status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    parley = Parley(tmp_path_factory.mktemp("standalone") / "data", free_port()).ready()
    yield parley
    parley.close()


def test_makes_its_secrets_once_and_for_its_owner_alone(start: Start) -> None:
    names = ("service_token", "signing_key", "email_digest_key")
    parley = start().ready()
    secrets = {name: (parley.data / name).read_text() for name in names}
    assert len(set(secrets.values())) == 3
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in secrets.values())
    assert {(parley.data / name).stat().st_mode & 0o777 for name in names} == {0o600}
    assert parley.data.stat().st_mode & 0o777 == 0o700
    keys = ok(parley.http.get("/.well-known/jwks.json"))
    parley.kill()

    again = start().ready()

    assert {name: (parley.data / name).read_text() for name in names} == secrets
    assert ok(again.http.get("/.well-known/jwks.json")) == keys


def test_takes_no_secret_and_no_database_from_the_environment(start: Start) -> None:
    parley = start(
        PARLEY_SERVICE_TOKEN="a-token-of-the-environment",
        PARLEY_SIGNING_KEY="not a key",
        PARLEY_EMAIL_DIGEST_KEY="short",
        PARLEY_EMAIL_DIGEST_SECOND_KEY="short",
        PARLEY_DATABASE_URL="postgresql+asyncpg://nowhere/nothing",
        PARLEY_BROKER_URL="amqp://nowhere",
    ).ready()

    parley.register()

    parley.end()


def test_a_second_process_leaves_the_folder_alone(start: Start) -> None:
    first = start().ready()

    second = start(PARLEY_PORT=str(free_port()))

    assert second.lines() == [f"Another process is working on {first.data}."]
    assert second.popen.wait() == 1
    first.register()
    first.end()


def test_a_port_that_is_taken_is_one_line_and_leaves_nothing_behind(start: Start) -> None:
    with socket.socket() as other:
        parley = start(PARLEY_PORT=str(taken_port(other)))
        lines = parley.lines()
        assert parley.popen.wait() == 1
    faults = [line for line in lines if not line.endswith("...") and not line.startswith("Data: ")]
    (fault,) = faults
    assert "address already in use" in fault

    start().ready().end()


def taken_port(other: socket.socket) -> int:
    other.bind(("127.0.0.1", 0))
    other.listen()
    port: int = other.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("setting", "value"),
    [("PARLEY_PORT", "eighty"), ("PARLEY_LOG_LEVEL", "loud"), ("PARLEY_LOG_FORMAT", "xml")],
)
def test_a_wrong_setting_is_one_line(start: Start, setting: str, value: str) -> None:
    parley = start(**{setting: value})

    (line,) = parley.lines()
    assert line.startswith(f"Wrong settings: {setting}: ")
    assert parley.popen.wait() == 2


def test_a_folder_that_cannot_be_made_is_one_line(start: Start, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    parley = start(PARLEY_DATA_DIR=str(in_the_way / "data"))

    (line,) = parley.lines()
    assert str(in_the_way) in line
    assert parley.popen.wait() == 1


def test_killed_and_started_again_the_filter_knows_every_email(start: Start) -> None:
    first = start().ready()
    emails = [first.register()["email"] for _ in range(3)]
    first.kill()

    again = start().ready()

    again.wait_for_filter()
    assert again.metric("parley_bloom_members") == 3
    assert [again.available(email) for email in emails] == [False] * 3
    assert again.available("nobody@example.com")
    assert again.metric('parley_email_availability_answers_total{by="filter"}') == 1
    again.end()


def test_a_lost_filter_is_made_anew_and_until_then_the_database_is_asked(start: Start) -> None:
    first = start().ready()
    email = first.register()["email"]
    first.end()
    shutil.rmtree(first.data / "bloom_service")

    again = start().ready()

    ok(again.http.get("/readyz"))
    assert not again.available(email)
    assert again.available("nobody@example.com")
    again.wait_for_filter()
    assert again.metric("parley_bloom_members") == 1
    by_filter = 'parley_email_availability_answers_total{by="filter"}'
    before = again.metric(by_filter)
    assert not again.available(email)
    assert again.available("somebody@example.com")
    assert again.metric(by_filter) == before + 1


def test_writes_no_secret_and_no_address_to_its_log(start: Start) -> None:
    parley = start(PARLEY_LOG_LEVEL="debug", PARLEY_LOG_FORMAT="json").ready()
    credentials = parley.register()
    tokens = ok(
        parley.http.post(
            "/api/v1/auth/token", data={"username": credentials["email"], "password": credentials["password"]}
        )
    )
    parley.available(credentials["email"])

    log = "\n".join(parley.end())

    assert '"event"' in log
    secrets = [(parley.data / name).read_text() for name in ("service_token", "signing_key", "email_digest_key")]
    for secret in (*secrets, credentials["email"], credentials["password"], *tokens.values()):
        if isinstance(secret, str) and secret != "bearer":
            assert secret not in log
