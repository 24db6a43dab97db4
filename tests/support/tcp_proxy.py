"""A network between a client and a server that can be cut, or stand still."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

Observer = Callable[[bytes], None]


class TcpProxy:
    """Forwards connections from its own port on 127.0.0.1 to a server's."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = (host, port)
        self._flows = asyncio.Event()
        self._flows.set()
        self._refusing = False
        self._refused = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server

    @property
    def port(self) -> int:
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def observers(self) -> tuple[Observer, Observer]:
        """Of one connection: who sees its bytes on their way to the server, and who on their way back."""
        return _look_away, _look_away

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def freeze(self) -> None:
        """Let connections stand, and nothing through."""
        self._flows.clear()

    def refuse(self) -> None:
        """End new connections at once."""
        self._refusing = True

    async def has_refused(self) -> bool:
        return self._refused > 0

    def cut(self) -> None:
        """End every connection. New ones are served."""
        for connection in self._connections:
            connection.cancel()

    def mend(self) -> None:
        self._refusing = False
        self._flows.set()

    async def close(self) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self._refused += 1
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        with suppress(asyncio.CancelledError, OSError):
            await connection

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._server_address)
        sees_there, sees_back = self.observers()
        try:
            there = asyncio.create_task(self._pump(reader, server_writer, sees_there))
            back = asyncio.create_task(self._pump(server_reader, writer, sees_back))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in (there, back):
                pump.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for end in (writer, server_writer):
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, observer: Observer) -> None:
        while data := await reader.read(65536):
            await self._flows.wait()
            observer(data)
            writer.write(data)
            await writer.drain()


def _look_away(_data: bytes) -> None:
    pass
