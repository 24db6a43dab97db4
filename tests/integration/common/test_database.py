"""A database server that goes away and comes back."""

import asyncio

import pytest
from sqlalchemy import make_url, text

from common.database import Database, DatabaseUnavailable
from tests.support.servers.server import OwnServer


async def test_is_waited_for_while_it_restarts_and_not_for_longer(own_postgresql: OwnServer) -> None:
    url = make_url(own_postgresql.url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    patient, impatient = Database(url, patience=60), Database(url)
    await _ask(patient)
    await own_postgresql.stop()
    asking = asyncio.create_task(_ask(patient))

    with pytest.raises(DatabaseUnavailable):
        await _ask(impatient)

    assert not asking.done()
    await own_postgresql.start()
    await asking
    for database in (patient, impatient):
        await database.close()


async def _ask(database: Database) -> None:
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
