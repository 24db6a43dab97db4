"""A database server that goes away and comes back."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database, DatabaseUnavailable
from common.database_errors import DatabaseRoute, install_database_error_handler
from tests.support.servers.server import OwnServer


async def test_is_waited_for_while_it_restarts_and_not_for_longer(own_postgresql: OwnServer) -> None:
    url = _url(own_postgresql)
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


@pytest.mark.parametrize(("dies_in_commit", "status", "carried_out"), [(False, 200, 2), (True, 503, 1)])
async def test_a_request_under_which_it_goes_away_is_carried_out_once_more_unless_it_may_be_done(
    own_postgresql: OwnServer, dies_in_commit: bool, status: int, carried_out: int
) -> None:
    database = Database(_url(own_postgresql))
    router = APIRouter(route_class=DatabaseRoute)
    asked: list[str] = []

    @router.post("/")
    async def write(said: str) -> None:
        asked.append(said)
        async with database.write() as session:
            if len(asked) == 1:
                await _end_connection_of(session, database)
            if not dies_in_commit:
                await session.execute(text("SELECT 1"))
            await session.commit()

    app = FastAPI()
    install_database_error_handler(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as http:
        answer = await http.post("/", params={"said": "hello"})

    assert answer.status_code == status
    assert asked == ["hello"] * carried_out
    await database.close()


async def _end_connection_of(session: AsyncSession, database: Database) -> None:
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with database.read() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def _url(server: OwnServer) -> str:
    return make_url(server.url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


async def _ask(database: Database) -> None:
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
