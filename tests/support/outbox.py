"""An outbox in a database, and a real bus with somebody who reads."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase

from common.database import Database
from messaging import outbox
from messaging.bus import Binding, Delivery, Message, Topology
from messaging.in_process import InProcessBus
from messaging.outbox import OutboxMixin, OutboxRelay

NAME = "tested"
EXCHANGE = "events"
READ = "read"
TOPOLOGY = Topology((EXCHANGE,), {"reader": (Binding(EXCHANGE, READ),)})


class Base(DeclarativeBase):
    pass


class Outbox(OutboxMixin, Base):
    __tablename__ = "outbox"


class Reader:
    """A bus with one reader, who can be made to hang: a durable message is then published, but never confirmed."""

    def __init__(self) -> None:
        self.bus = InProcessBus(TOPOLOGY)
        self.read: list[Delivery] = []
        self.arrived = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.bus.consume("reader", self._handle)

    @property
    def ids(self) -> list[str]:
        return [delivery.id for delivery in self.read]

    def hang(self) -> None:
        self.goes_on.clear()

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        self.read += batch
        self.arrived.set()
        await self.goes_on.wait()


class Store:
    """The outbox as a service uses it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def commit(self, *messages: Message) -> None:
        async with self.database.write() as session:
            outbox.add(session, Outbox, messages)
            await session.commit()

    async def count(self) -> int:
        async with self.database.read() as session:
            return await session.scalar(select(func.count()).select_from(Outbox)) or 0

    async def is_empty(self) -> bool:
        return await self.count() == 0


class Running:
    """A relay at work."""

    def __init__(self, relay: OutboxRelay) -> None:
        self.relay = relay
        self._task = asyncio.create_task(relay.run())

    async def kill(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


StartReader = Callable[[], Awaitable[Reader]]
StartRelay = Callable[..., Awaitable[Running]]


def message(key: str = READ, *, durable: bool = True, id: str | None = None) -> Message:
    id = id or str(uuid4())
    return Message(EXCHANGE, key, b"\x00body of " + id.encode(), "thing.happened.v1", id, durable=durable)
