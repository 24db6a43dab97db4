"""The relay on either database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from common.database import Database
from messaging.bus import Bus, RetryPolicy
from messaging.outbox import OnEmpty, OutboxRelay
from tests.support.outbox import NAME, Base, Outbox, Reader, Running, StartReader, StartRelay, Store


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/outbox.db"
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield Store(database)
    await database.close()


@pytest.fixture
async def start_reader() -> AsyncIterator[StartReader]:
    """Starts a bus of its own, as another process would have."""
    async with AsyncExitStack() as stack:

        async def start() -> Reader:
            reader = Reader()
            await reader.bus.start()
            stack.push_async_callback(reader.bus.stop)
            stack.callback(reader.goes_on.set)
            return reader

        yield start


@pytest.fixture
async def reader(start_reader: StartReader) -> Reader:
    return await start_reader()


@pytest.fixture
async def start_relay(store: Store, reader: Reader) -> AsyncIterator[StartRelay]:
    async with AsyncExitStack() as stack:

        async def start(
            *,
            database: Database | None = None,
            bus: Bus | None = None,
            poll_interval: float = 0.02,
            on_empty: OnEmpty | None = None,
        ) -> Running:
            relay = OutboxRelay(
                database or store.database,
                Outbox,
                bus or reader.bus,
                name=NAME,
                poll_interval=poll_interval,
                retry=RetryPolicy(first_delay=0.01, max_delay=0.05),
                on_empty=on_empty,
            )
            running = Running(relay)
            stack.push_async_callback(running.kill)
            return running

        yield start
