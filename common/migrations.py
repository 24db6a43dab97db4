"""Alembic migrations of a service's own database, from inside a program. `env.py` finds the connection in
`context.config.attributes["connection"]`."""

import asyncio
import sys
import time

from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import Connection

from common.config import load_settings
from common.database import Database

_PATIENCE_S = 60


class _MigrationSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PARLEY_", frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr


async def upgrade(url: str, package: str) -> None:
    """Bring the database to the newest revision in `package`'s folder `migrations`, in one transaction."""
    database = Database(url, command_timeout=None)
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(_upgrade, package)
    finally:
        await database.close()


def main(package: str) -> None:
    """Upgrade the database that PARLEY_DATABASE_URL names; wait for it for up to a minute, else exit with code 1."""
    url = load_settings(_MigrationSettings).database_url.get_secret_value()
    asyncio.run(_wait_and_upgrade(url, package))


async def _wait_and_upgrade(url: str, package: str) -> None:
    database = Database(url)
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while (fault := await database.missing()) is not None:
            if time.monotonic() > deadline:
                sys.exit(f"Not migrated: {fault}.")
            await asyncio.sleep(0.5)
    finally:
        await database.close()
    await upgrade(url, package)


def _upgrade(connection: Connection, package: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
