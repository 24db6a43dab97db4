import asyncio
import os
import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from chat_service.migrations import upgrade
from chat_service.models import Base
from common.database import Database


async def test_make_the_tables_that_the_models_describe(database_url: str) -> None:
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_can_be_run_again(database_url: str) -> None:
    await upgrade(database_url)
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_run_as_a_program_and_end(database_url: str) -> None:
    environment = {**os.environ, "PARLEY_DATABASE_URL": database_url}

    done = await asyncio.to_thread(_run_migrations, environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert await _differences(database_url) == []


def _run_migrations(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chat_service.migrations"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


async def _differences(database_url: str) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        assert inspect(connection).has_table("alembic_version")
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    database = Database(database_url)
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await database.close()
    return differences
