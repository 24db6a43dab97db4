"""A connection to the broker, as services and commands have it."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from aio_pika import Connection
from aio_pika.abc import AbstractConnection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.base import BasicProperties
from pamqp.commands import Basic
from yarl import URL

from common.sockets import give_up_when_unheard

HEARTBEAT = 10
CONNECT_TIMEOUT = 5.0
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
    address = URL(url).update_query(heartbeat=HEARTBEAT)
    connection = Connection(address, client_properties={"connection_name": name})
    plain = TLSTransportFactory() if address.scheme == "amqps" else TCPTransportFactory()
    connection.kwargs["transport_factory"] = _WatchedTransportFactory(plain)
    return connection


class _WatchedTransportFactory(TransportFactory):
    """Heartbeats alone tell after half a minute that the broker was cut off."""

    def __init__(self, plain: TransportFactory) -> None:
        self._plain = plain

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._plain.create(url, **kwargs)
        give_up_when_unheard(writer.get_extra_info("socket"))
        return reader, writer


async def close(connection: AbstractConnection) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close()
