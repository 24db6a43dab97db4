import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect

from common.database import Database
from common.ids import now, uuid7
from tests.support.user_service import running_user_service
from user_service.migrations import upgrade
from user_service.migrations.versions import r0002_email_digests
from user_service.models import Base


async def test_make_the_tables_that_the_models_describe(database_url: str) -> None:
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_can_be_run_again(database_url: str) -> None:
    await upgrade(database_url)
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_can_be_taken_back_and_made_again(database_url: str) -> None:
    await upgrade(database_url)

    await _on(database_url, partial(_migrate, command.downgrade, "base"))
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_keep_the_accounts_and_let_the_older_version_add_more(database_url: str) -> None:
    older = r0002_email_digests.down_revision
    await _on(database_url, partial(_migrate, command.upgrade, older))
    await _on(database_url, partial(_register_in_the_older_version, "before"))

    await upgrade(database_url)
    await _on(database_url, partial(_register_in_the_older_version, "meanwhile"))

    async with running_user_service(database_url) as service:
        rows = await service.rows("users")
    assert {row["username"] for row in rows} == {"before", "meanwhile"}


def _register_in_the_older_version(name: str, connection: Connection) -> None:
    users = Table("users", MetaData(), autoload_with=connection)
    names = ("email", "username", "display_name")
    values = {field: name for column in names for field in (column, f"{column}_canonical")}
    connection.execute(
        users.insert().values(
            id=uuid7() if connection.dialect.name == "postgresql" else uuid7().hex,
            **values,
            password_hash="",
            version=1,
            created_at=now(),
        )
    )


def _migrate(direction: Callable[[Config, str], None], revision: str, connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "user_service:migrations")
    config.attributes["connection"] = connection
    direction(config, revision)


async def _on(database_url: str, work: Callable[[Connection], object]) -> None:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(work)
    await database.close()


async def test_run_as_a_program_and_end(database_url: str) -> None:
    environment = {**os.environ, "PARLEY_DATABASE_URL": database_url}

    done = await asyncio.to_thread(_run_migrations, environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert await _differences(database_url) == []


def _run_migrations(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "user_service.migrations"]
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
