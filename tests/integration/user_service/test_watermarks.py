from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from common.database import Database
from common.ids import now
from contracts.messages import UsersWatermark
from contracts.routing import EVENTS, EXCHANGES
from messaging.bus import Binding, Delivery, Topology
from messaging.in_process import InProcessBus
from tests.support.client import PASSWORD, User
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.user_service import UserService
from user_service.events import Watermarks
from user_service.migrations import upgrade


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Listener:
    def __init__(self) -> None:
        self.bus = InProcessBus(Topology(EXCHANGES, {"listener": (Binding(EVENTS, UsersWatermark.type),)}))
        self.bus.consume("listener", self._handle)
        self.heard: list[UsersWatermark] = []

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            (envelope,) = opened(delivery.body, delivery.content_type)
            assert isinstance(envelope.payload, UsersWatermark)
            self.heard.append(envelope.payload)

    async def heard_number(self, number: int) -> None:
        async def reached() -> bool:
            return len(self.heard) >= number

        await eventually(reached)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await upgrade(database_url)
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    await listener.bus.start()
    yield listener
    await listener.bus.stop()


async def test_are_published_at_most_once_a_second(database: Database, listener: Listener) -> None:
    clock = Clock()
    watermarks = Watermarks(database, listener.bus, ["01234567"], clock)
    first, second, third = now(), now(), now()

    await watermarks(first)
    clock.now += 0.9
    await watermarks(second)
    clock.now += 0.1
    await watermarks(third)

    await listener.heard_number(2)
    assert [watermark.as_of for watermark in listener.heard] == [first, third]


async def test_are_left_out_while_the_bus_is_away_and_go_on_at_once(database: Database, listener: Listener) -> None:
    watermarks = Watermarks(database, listener.bus, ["01234567"], Clock())
    missed = now()
    next_one = missed + timedelta(seconds=1)
    await listener.bus.stop()
    await watermarks(missed)

    await listener.bus.start()
    await watermarks(next_one)

    await listener.heard_number(1)
    assert [watermark.as_of for watermark in listener.heard] == [next_one]


async def test_say_whether_there_is_nobody_yet(service: UserService) -> None:
    (before, *_) = await service.hear(UsersWatermark)
    assert before.nobody

    alice = await User.register(service.http)
    registered = now()

    assert not (await service.hear_watermark_of(registered)).nobody

    await alice.delete("/users/me", {"password": PASSWORD})
    assert (await service.hear_watermark_of(now())).nobody
