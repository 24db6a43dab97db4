"""All that a database says."""

from uuid import UUID

from sqlalchemy import Connection, MetaData, select

from common.database import Database


async def everything_in(database_url: str) -> str:
    """A line for each row of each table, whatever the models know of: the table's name and what it holds by column.

    A UUID is 32 hex digits.
    """
    database = Database(database_url)
    async with database.engine.connect() as connection:
        text = await connection.run_sync(_everything)
    await database.close()
    return text


def _everything(connection: Connection) -> str:
    metadata = MetaData()
    metadata.reflect(connection)
    return "\n".join(
        f"{table.name}: { {name: _plain(value) for name, value in row.items()} }"
        for table in metadata.sorted_tables
        for row in connection.execute(select(table)).mappings()
    )


def _plain(value: object) -> object:
    return value.hex if isinstance(value, UUID) else value
