"""All that services and a RabbitMQ broker say to each other, read off the wire between them."""

import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pamqp import frame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Connection
from pamqp.constants import FRAME_HEADER_SIZE
from pamqp.header import ContentHeader
from yarl import URL

from tests.support.tcp_proxy import Observer, TcpProxy


@dataclass(frozen=True, slots=True)
class Published:
    """A message, to an exchange, from the connection of that name."""

    connection: str
    exchange: str
    key: str
    mandatory: bool
    properties: Basic.Properties
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message, from a queue, to the connection of that name."""

    connection: str
    queue: str
    properties: Basic.Properties
    body: bytes


class Wiretap(TcpProxy):
    """A way to a broker. Whatever is published by it is seen, to whichever exchange and under whichever key."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.published: list[Published] = []
        self.delivered: list[Delivered] = []

    def observers(self) -> tuple[Observer, Observer]:
        line = _Line(self)
        return line.to_broker, line.to_service


@asynccontextmanager
async def tapped(broker_url: str) -> AsyncIterator[tuple[Wiretap, str]]:
    """A wiretap, and the URL by which a service gets to the broker over it."""
    url = URL(broker_url)
    tap = Wiretap(url.host or "", url.port or 0)
    await tap.start()
    try:
        yield tap, str(url.with_host("127.0.0.1").with_port(tap.port))
    finally:
        await tap.close()


class _Line:
    """One connection."""

    def __init__(self, tap: Wiretap) -> None:
        self._tap = tap
        self._name = ""
        self._queues: dict[tuple[int, str | None], str] = {}
        self._there, self._back = _Conversation(), _Conversation()

    def to_broker(self, data: bytes) -> None:
        for said in self._there.hear(data):
            match said.method:
                case Connection.StartOk() as start:
                    self._name = str((start.client_properties or {}).get("connection_name"))
                case Basic.Consume() as consume:
                    self._queues[said.channel, consume.consumer_tag] = consume.queue
                case Basic.Publish() as to:
                    self._tap.published.append(
                        Published(self._name, to.exchange, to.routing_key, to.mandatory, said.properties, said.body)
                    )

    def to_service(self, data: bytes) -> None:
        for said in self._back.hear(data):
            if isinstance(said.method, Basic.Deliver):
                queue = self._queues[said.channel, said.method.consumer_tag]
                self._tap.delivered.append(Delivered(self._name, queue, said.properties, said.body))


@dataclass(slots=True)
class _Said:
    """A method on a channel, and the content that comes with some of them."""

    channel: int
    method: Frame
    header: ContentHeader | None = None
    body: bytes = b""

    @property
    def properties(self) -> Basic.Properties:
        return (self.header and self.header.properties) or Basic.Properties()

    @property
    def whole(self) -> bool:
        if not isinstance(self.method, Basic.Publish | Basic.Return | Basic.Deliver | Basic.GetOk):
            return True
        return self.header is not None and len(self.body) == self.header.body_size


class _Conversation:
    """One direction of a connection (AMQP 0-9-1, section 4.2)."""

    def __init__(self) -> None:
        self._bytes = b""
        self._unfinished: dict[int, _Said] = {}

    def hear(self, data: bytes) -> Iterator[_Said]:
        self._bytes += data
        while (size := self._frame_size()) <= len(self._bytes):
            _, channel, part = frame.unmarshal(self._bytes[:size])
            self._bytes = self._bytes[size:]
            match part:
                case Frame():
                    self._unfinished[channel] = _Said(channel, part)
                case ContentHeader():
                    self._unfinished[channel].header = part
                case ContentBody():
                    self._unfinished[channel].body += part.value
                case _:
                    continue  # a heartbeat, or the protocol header
            if self._unfinished[channel].whole:
                yield self._unfinished.pop(channel)

    def _frame_size(self) -> int:
        """Of the frame that begins here; the least there is while that is not known."""
        if self._bytes.startswith(b"AMQP") or len(self._bytes) < FRAME_HEADER_SIZE:
            return FRAME_HEADER_SIZE + 1
        size: int = struct.unpack_from(">BHI", self._bytes)[2]
        return FRAME_HEADER_SIZE + size + 1
