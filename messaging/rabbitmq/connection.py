"""A connection to the broker, as services and commands have it."""

import asyncio
import logging
from contextlib import suppress

from aio_pika import Connection
from aio_pika.abc import AbstractConnection
from pamqp.base import BasicProperties
from pamqp.commands import Basic
from yarl import URL

HEARTBEAT = 10
CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 5.0

for _name in ("aiormq.channel", "aiormq.connection"):
    # They log frames and returned messages, bodies included. What matters of it is logged here.
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_read_properties = Basic.Properties.unmarshal


def _read_what_can_be_read(properties: BasicProperties, flags: int, data: bytes) -> None:
    with suppress(Exception):
        _read_properties(properties, flags, data)


# A message whose properties can't be read, such as a `type` that is not UTF-8, would end the connection, again and
# again, and everything prefetched with it would become a dead letter as well. aiormq has no other place to say so.
Basic.Properties.unmarshal = _read_what_can_be_read  # type: ignore[method-assign, assignment]


def new_connection(url: str, name: str) -> AbstractConnection:
    """Not connected yet, so that whoever asked for it can close it even when that fails."""
    return Connection(URL(url).update_query(heartbeat=HEARTBEAT), client_properties={"connection_name": name})


async def close(connection: AbstractConnection) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close()
