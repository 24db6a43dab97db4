"""A database that goes away and comes back."""

import asyncio

from sqlalchemy import make_url

from chat_service.migrations import upgrade
from contracts.messages import RoomEntry
from tests.support.chat_service import ChatService, running_chat_service, send
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.servers.server import OwnServer
from tests.support.shapes import Json, problem

COMMANDS = 150


async def test_commands_outlast_a_killed_database_and_take_effect_once_in_order(own_postgresql: OwnServer) -> None:
    url = make_url(own_postgresql.url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    await upgrade(url)
    async with running_chat_service(url) as service:
        alice = service.newcomer()
        room = await alice.create_room()
        sending = asyncio.create_task(_send_all(service, room, alice))
        await service.hear(RoomEntry, 20)

        await own_postgresql.kill()

        # the server's children outlive it for a moment, and may still answer
        await eventually(lambda: _is_refused(alice))
        problem(await alice.get("/rooms"), 503, "unavailable")
        assert not sending.done()
        await own_postgresql.start()
        await sending
        log = await alice.log(room["id"])
        assert [event["seq"] for event in log] == list(range(1, 1 + 1 + COMMANDS))
        assert await alice.texts(room["id"]) == [str(number) for number in range(COMMANDS)]


async def _send_all(service: ChatService, room: Json, user: User) -> None:
    for number in range(COMMANDS):
        await service.command(send(room, user, str(number)))


async def _is_refused(user: User) -> bool:
    return not (await user.get("/rooms")).is_success
