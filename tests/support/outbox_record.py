"""Every row that was ever in a service's outbox on PostgreSQL: the database itself keeps them from being forgotten."""

from dataclasses import dataclass

import asyncpg

_KEEP = """
    CREATE TABLE kept AS TABLE outbox WITH NO DATA;
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO kept SELECT NEW.*; RETURN NULL; END
    $$;
    CREATE TRIGGER keep AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION keep();
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    exchange: str
    key: str
    message_type: str
    message_id: str
    content_type: str
    body: bytes
    durable: bool


async def keep_outbox(database_url: str) -> None:
    """From now on. `database_url` is `postgresql+asyncpg://…`."""
    connection = await _connect(database_url)
    await connection.execute(_KEEP)
    await connection.close()


async def kept_outbox(database_url: str) -> list[OutboxRow]:
    connection = await _connect(database_url)
    found = await connection.fetch(f"SELECT {', '.join(OutboxRow.__slots__)} FROM kept ORDER BY id")  # noqa: S608
    await connection.close()
    return [OutboxRow(**row) for row in found]


async def _connect(database_url: str) -> asyncpg.Connection:
    return await asyncpg.connect(database_url.replace("+asyncpg", ""))
