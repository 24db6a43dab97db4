"""Connections to the broker, to PostgreSQL and between services are given up when the other end is cut off."""

import asyncio
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from common.database import Database
from common.http_client import new_client
from common.sockets import UNHEARD_S
from messaging.rabbitmq.connection import close, new_connection

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this")


async def test_to_the_broker(rabbitmq_url: str) -> None:
    connection = new_connection(rabbitmq_url, "test")
    await connection.connect()

    assert set(_patience_with(_port(rabbitmq_url))) == {UNHEARD_S * 1000}

    await close(connection)


async def test_to_the_database(postgresql_database: str) -> None:
    database = Database(postgresql_database)
    async with database.read():
        assert set(_patience_with(_port(postgresql_database))) == {UNHEARD_S * 1000}
    await database.close()


async def test_between_services() -> None:
    found: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        found.extend(_patience_with(port))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with new_client(f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/")).status_code == 204

    assert found == [UNHEARD_S * 1000]


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _patience_with(port: int) -> Iterator[int]:
    """In milliseconds, of each of this process's connections to the port."""
    for name in os.listdir("/proc/self/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with one:
            if one.type == socket.SOCK_STREAM and one.family == socket.AF_INET:
                try:
                    peer_port = one.getpeername()[1]
                except OSError:
                    continue
                if peer_port == port:
                    yield one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
