"""An application under `common.server`, as a process that is told to end."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO

import httpx
import pytest

from common.server import SHUTDOWN_S
from tests.support.servers.server import free_port


class Process:
    def __init__(self, port: int, *arguments: str) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.support.served", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self, last: str) -> list[str]:
        """What it has said up to this line."""
        lines: list[str] = []
        while not lines or lines[-1] != last:
            line = self._stdout.readline()
            assert line, f"ended after {lines}"
            lines.append(line.rstrip("\n"))
        return lines

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.popen.send_signal(number)

    def rest(self) -> list[str]:
        """What it says until it ends."""
        return self._stdout.read().splitlines()

    def code(self) -> int:
        return self.popen.wait(10)

    def errors(self) -> list[str]:
        assert self.popen.stderr is not None
        return self.popen.stderr.read().splitlines()

    def close(self) -> None:
        self.popen.kill()
        self.popen.communicate()

    @property
    def _stdout(self) -> IO[str]:
        assert self.popen.stdout is not None
        return self.popen.stdout


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(port: int) -> Iterator[Callable[..., Process]]:
    with ExitStack() as stack:

        def start_one(*arguments: str) -> Process:
            process = Process(port, *arguments)
            stack.callback(process.close)
            return process

        yield start_one


@pytest.fixture
def process(start: Callable[..., Process]) -> Process:
    return start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_and_ends_in_order(process: Process, number: signal.Signals) -> None:
    listening = f"listening on {process.base_url}"
    assert process.said(listening) == ["lifespan entered", "background started", listening]

    process.end(number)

    assert process.rest() == ["background stopped", "lifespan left", "served"]
    assert process.code() == 0
    assert process.errors() == []


async def test_finishes_what_was_asked_before_it_was_told_to_end(process: Process) -> None:
    process.said(f"listening on {process.base_url}")
    async with httpx.AsyncClient(base_url=process.base_url, trust_env=False) as http:
        asking = asyncio.create_task(http.get("/wait/0.5"))
        await asyncio.to_thread(process.said, "request begun")

        process.end()

        assert (await asking).json() == "done"
    assert process.rest() == ["request done", "background stopped", "lifespan left", "served"]
    assert process.code() == 0


async def test_does_not_wait_for_ever_for_a_request_or_an_idle_connection(process: Process) -> None:
    process.said(f"listening on {process.base_url}")
    with socket.create_connection(("127.0.0.1", int(process.base_url.rpartition(":")[2]))):
        async with httpx.AsyncClient(base_url=process.base_url, trust_env=False) as http:
            asking = asyncio.create_task(http.get("/wait/60"))
            await asyncio.to_thread(process.said, "request begun")

            process.end()
            started = time.monotonic()

            assert await asyncio.to_thread(process.code) == 0
            assert time.monotonic() - started < SHUTDOWN_S + 2
            with pytest.raises(httpx.HTTPError):
                (await asking).raise_for_status()
    assert process.rest() == ["background stopped", "lifespan left", "served"]


def test_told_to_end_while_it_starts_ends_in_order(start: Callable[..., Process]) -> None:
    process = start("slow")
    process.said("lifespan entered")

    process.end()

    assert process.rest()[-3:] == ["background stopped", "lifespan left", "served"]
    assert process.code() == 0


_FORWARDED = [
    ("", "198.51.100.7", "127.0.0.1"),  # whoever is not a proxy is believed nothing
    ("192.0.2.1", "198.51.100.7", "127.0.0.1"),
    ("127.0.0.1", None, "127.0.0.1"),
    ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
    ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # the proxy adds to what the client has made up
    ("127.0.0.1, 10.0.0.0/8", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
    ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
]


@pytest.mark.parametrize(("trusted_proxies", "forwarded_for", "client"), _FORWARDED)
def test_takes_for_the_client_whom_the_connection_or_a_trusted_proxy_names(
    start: Callable[..., Process], trusted_proxies: str, forwarded_for: str | None, client: str
) -> None:
    process = start("none", trusted_proxies)
    process.said(f"listening on {process.base_url}")
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}

    response = httpx.get(f"{process.base_url}/client", headers=headers, trust_env=False)

    assert response.json() == client


def test_says_in_one_line_that_its_address_is_taken(port: int, start: Callable[..., Process]) -> None:
    with socket.create_server(("127.0.0.1", port)):
        process = start()

        assert process.rest() == ["lifespan entered", "background started", "background stopped", "lifespan left"]
        assert process.code() == 1
        (line,) = process.errors()
    assert str(port) in line
    assert "address already in use" in line


def test_ends_with_code_1_when_the_application_does_not_start(start: Callable[..., Process]) -> None:
    process = start("broken")

    assert process.rest() == ["lifespan entered"]
    assert process.code() == 1
    assert any("there is no such thing" in line for line in process.errors())
