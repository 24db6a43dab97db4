"""Servers that tests of every kind may ask for. Each is started when the first test asks."""

import asyncio
import os
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from tests.support.servers.provision import start_postgresql, start_rabbitmq
from tests.support.servers.server import OwnServer


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """`amqp://…` of a broker that all tests share: give exchanges and queues names of your own."""
    if address := os.environ.get("PARLEY_TEST_BROKER_URL"):
        yield address
        return
    server = start_rabbitmq()
    yield server.url
    server.close()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """`postgresql://…` of a server that all tests share, for an account that may create databases."""
    if address := os.environ.get("PARLEY_TEST_DATABASE_URL"):
        yield address
        return
    server = start_postgresql()
    yield server.url
    server.close()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """`postgresql+asyncpg://…` of a new, empty database."""
    name = f"test_{uuid4().hex}"
    asyncio.run(_execute(postgresql_url, f'CREATE DATABASE "{name}"'))
    scheme, _, rest = postgresql_url.partition("://")
    server, _, _ = rest.rpartition("/")
    yield f"{scheme}+asyncpg://{server}/{name}"
    asyncio.run(_execute(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def own_rabbitmq() -> Iterator[OwnServer]:
    """A broker of the test's own, to stop, kill and start."""
    server = start_rabbitmq()
    yield OwnServer(server)
    server.close()


@pytest.fixture
def own_postgresql() -> Iterator[OwnServer]:
    """A database server of the test's own, to stop, kill and start. Its `url` is `postgresql://…`."""
    server = start_postgresql()
    yield OwnServer(server)
    server.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
