"""Servers that tests of every kind may ask for. Each is started when the first test asks."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog

from tests.support import summary
from tests.support.databases import new_database
from tests.support.factories import Measured
from tests.support.servers.provision import POSTGRESQL, RABBITMQ, Kind, running
from tests.support.servers.server import OwnServer


def pytest_configure() -> None:
    # a run that is told to end ends what it has started, as on Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # logs as the product writes them: structlog's own choice takes seconds to draw a traceback, and shows variables
    *processors, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, plain])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if lines := list(summary.lines(report for group in terminalreporter.stats.values() for report in group)):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Takes a line for the summary at the end."""
    return lambda line: record_property(summary.MEASURED, line)


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """`amqp://…` of a broker that all tests share: give exchanges and queues names of your own."""
    yield from _shared(RABBITMQ)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """`postgresql://…` of a server that all tests share, for an account that may create databases."""
    yield from _shared(POSTGRESQL)


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[str]:
    """`postgresql+asyncpg://…` of a new, empty database."""
    async with new_database(postgresql_url) as url:
        yield url


@pytest.fixture
def own_rabbitmq() -> Iterator[OwnServer]:
    """A broker of the test's own, to stop, kill and start."""
    with running(RABBITMQ) as server:
        yield OwnServer(server)


@pytest.fixture
def own_postgresql() -> Iterator[OwnServer]:
    """A database server of the test's own, to stop, kill and start. Its `url` is `postgresql://…`."""
    with running(POSTGRESQL) as server:
        yield OwnServer(server)


def _shared(kind: Kind) -> Iterator[str]:
    if address := os.environ.get(kind.variable):
        yield address
        return
    with running(kind) as server:
        yield server.url
