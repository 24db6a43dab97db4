"""Passing news holds nobody up, and is dropped rather than piled up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from contracts.messages import RoomTyping
from contracts.routing import ROOMS, shard
from gateway_ws.news import NewsPublisher
from messaging.bus import Binding, Message, Topology
from messaging.in_process import InProcessBus
from tests.support.bus import Recorder, nothing
from tests.support.envelopes import opened

ROOM = uuid4()


class SlowBus(InProcessBus):
    """One that takes its time until it is let go."""

    def __init__(self) -> None:
        super().__init__(Topology.of([ROOMS], {}))
        self.let_go = asyncio.Event()
        self.flights: list[int] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.flights.append(len(messages))
        await self.let_go.wait()
        await super().publish(messages)


@asynccontextmanager
async def slow_bus() -> AsyncIterator[tuple[SlowBus, Recorder]]:
    bus, heard = SlowBus(), Recorder()
    bus.listen("somebody", [Binding(ROOMS, shard(ROOM))], heard, on_reset=nothing)
    await bus.start()
    yield bus, heard
    await bus.stop()


def typing(user_id: UUID) -> RoomTyping:
    return RoomTyping(room_id=ROOM, user_id=user_id, on=True)


def typed(heard: Recorder) -> list[UUID]:
    news = [one.payload for delivery in heard.deliveries for one in opened(delivery.body, delivery.content_type)]
    return [one.user_id for one in news if isinstance(one, RoomTyping)]


async def test_what_comes_during_a_flight_follows_together_and_in_order() -> None:
    users = [uuid4() for _ in range(4)]
    async with slow_bus() as (bus, heard):
        news = NewsPublisher(bus)
        news.submit(typing(users[0]))
        await asyncio.sleep(0)
        for user_id in users[1:]:
            news.submit(typing(user_id))
        bus.let_go.set()
        await news.close()
        await heard.until_it_has(4)

    assert bus.flights == [1, 3]
    assert typed(heard) == users


async def test_the_oldest_is_dropped_when_too_much_waits() -> None:
    users = [uuid4() for _ in range(1_001)]
    async with slow_bus() as (bus, heard):
        news = NewsPublisher(bus)
        for user_id in users:
            news.submit(typing(user_id))
        bus.let_go.set()
        await news.close()
        await heard.until_it_has(1_000)

    assert typed(heard) == users[1:]


async def test_what_can_not_be_published_is_lost_and_what_comes_later_is_not() -> None:
    async with slow_bus() as (bus, heard):
        bus.let_go.set()
        news = NewsPublisher(bus)
        await bus.stop()
        news.submit(typing(uuid4()))
        await news.close()
        await bus.start()
        news.submit(typing(later := uuid4()))
        await heard.until_it_has(1)

    assert typed(heard) == [later]
