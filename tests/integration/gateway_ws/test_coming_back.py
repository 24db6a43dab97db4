"""Many who come at once, each having missed something else."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from common.ids import uuid7
from tests.support.client import Socket
from tests.support.gateway_ws import GatewayServer, Room, running_gateway

MANY = 60
BUSY = 2
"""As many requests as are under way at a time."""


@pytest.fixture
def people() -> list[UUID]:
    return [uuid7() for _ in range(MANY)]


@pytest.fixture
def rooms(gateway: GatewayServer, people: list[UUID]) -> list[Room]:
    """Each has a third of the people, one after the other, and twenty entries."""
    return [gateway.chat.room(*people[number::3], entries=20) for number in range(3)]


@asynccontextmanager
async def busy(gateway: GatewayServer) -> AsyncIterator[None]:
    """What others have missed is asked meanwhile, and not answered."""
    answer = asyncio.Event()
    gateway.chat.before_catch_up += [answer] * BUSY
    others: list[asyncio.Task[Socket]] = []
    for number in range(BUSY):
        others.append(asyncio.create_task(hello(gateway, uuid7(), {})))
        await gateway.asked("catch_up", number + 1)
    yield
    answer.set()
    await asyncio.gather(*others)


async def hello(gateway: GatewayServer, user_id: UUID, resume: dict[str, int]) -> Socket:
    socket = await gateway.open(resume=resume)
    await socket.hello(gateway.token(user_id))
    return socket


async def come_back(gateway: GatewayServer, people: Sequence[UUID], rooms: Sequence[Room]) -> list[Socket]:
    """All at once; everybody has seen something else, and names all rooms."""
    return await asyncio.gather(
        *(
            hello(gateway, user_id, {str(room.id): number % 20 for room in rooms})
            for number, user_id in enumerate(people)
        )
    )


async def assert_all_was_told(sockets: Sequence[Socket], rooms: Sequence[Room], *, head: int = 20) -> None:
    for number, socket in enumerate(sockets):
        own = str(rooms[number % len(rooms)].id)
        await socket.reach(own, head)
        assert [room["id"] for room in socket.welcome["rooms"]] == [own]
        events = [(event["room_id"], event["seq"]) for event in socket.received("event")]
        assert events == [(own, seq) for seq in range(number % 20 + 1, head + 1)]


async def test_each_is_told_what_they_have_missed_of_their_own_rooms(
    gateway: GatewayServer, people: list[UUID], rooms: list[Room]
) -> None:
    sockets = await come_back(gateway, people, rooms)

    await assert_all_was_told(sockets, rooms)
    for room in rooms:
        await gateway.chat.post(room)
    await assert_all_was_told(sockets, rooms, head=21)


async def test_who_comes_while_others_are_asked_about_is_asked_about_together(
    gateway: GatewayServer, people: list[UUID], rooms: list[Room]
) -> None:
    async with busy(gateway):
        coming = asyncio.create_task(come_back(gateway, people, rooms))
        await gateway.until_connected(MANY + BUSY)

    await assert_all_was_told(await coming, rooms)
    assert gateway.chat.asked.count("catch_up") < BUSY + MANY / 5


async def test_an_answer_may_leave_some_to_be_answered_by_the_next(
    gateway: GatewayServer, people: list[UUID], rooms: list[Room]
) -> None:
    gateway.chat.answer_at_most = 7

    await assert_all_was_told(await come_back(gateway, people, rooms), rooms)


async def test_who_goes_meanwhile_costs_the_others_nothing(
    gateway: GatewayServer, people: list[UUID], rooms: list[Room]
) -> None:
    leaving = [await gateway.open() for _ in range(10)]
    async with busy(gateway):
        for socket in leaving:
            await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(people[0])}))
        coming = asyncio.create_task(come_back(gateway, people, rooms))
        await gateway.until_connected(MANY + len(leaving) + BUSY)
        for socket in leaving:
            socket.connection.transport.abort()

    await assert_all_was_told(await coming, rooms)
    await gateway.until_connected(MANY + BUSY)


async def test_all_are_told_to_come_again_where_there_is_no_answer(people: list[UUID]) -> None:
    async with running_gateway(chat_patience=0.2) as gateway:
        gateway.chat.available = False
        sockets = [await gateway.open() for _ in people]
        for socket, user_id in zip(sockets, people, strict=True):
            await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(user_id)}))

        for socket in sockets:
            assert (await socket.expect("error"))["code"] == "unavailable"
            assert await socket.close_code() == 1012
        assert gateway.nothing_is_left()


async def test_much_of_a_room_is_told_in_order_and_then_what_comes(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    for _ in range(200):
        gateway.chat.commit(room, "x" * 8_000)

    socket = await gateway.connect(alice, resume={str(room.id): 0})
    await gateway.chat.post(room)

    await socket.reach(str(room.id), 201)
