"""Databases of a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def new_database(server_url: str) -> AsyncIterator[str]:
    """`postgresql+asyncpg://…` of a new, empty database. `server_url` is `postgresql://…` and may create them."""
    name = f"test_{uuid4().hex}"
    await _execute(server_url, f'CREATE DATABASE "{name}"')
    scheme, _, rest = server_url.partition("://")
    server, _, _ = rest.rpartition("/")
    try:
        yield f"{scheme}+asyncpg://{server}/{name}"
    finally:
        await _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
