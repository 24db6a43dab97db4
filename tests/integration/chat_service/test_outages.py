"""A server that goes away and comes back."""

import asyncio
from pathlib import Path
from uuid import UUID

from prometheus_client import REGISTRY
from sqlalchemy import make_url, text

from chat_service.migrations import upgrade
from common.database import Database
from contracts.messages import RoomEntry
from contracts.routing import partition
from contracts.topology import command_queue
from messaging.bus import RetryPolicy
from messaging.rabbitmq import RabbitMQBus
from tests.support.chat_service import TOPOLOGY, ChatService, command_message, running_chat_service, send
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.servers.server import OwnServer
from tests.support.shapes import Json, ok, problem

COMMANDS = 150

_OUT_OF_DISK = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$
    """,
    "CREATE TRIGGER out_of_disk BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse()",
)


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


async def test_commands_wait_for_a_database_that_is_out_of_disk_and_none_is_given_up(postgresql_database: str) -> None:
    await upgrade(postgresql_database)
    async with running_chat_service(postgresql_database) as service:
        alice = service.newcomer()
        room = await alice.create_room()
        await _execute(postgresql_database, *_OUT_OF_DISK)

        problem(await alice.send(room["id"], "by HTTP"), 503, "unavailable")
        # more often than a message is tried that fails by its own fault
        sending = asyncio.create_task(_send_all(service, room, alice))
        queue = command_queue(partition(UUID(room["id"])))
        await eventually(lambda: _has_retried(queue, RetryPolicy().max_attempts + 1), within=30)
        await _execute(postgresql_database, "DROP TRIGGER out_of_disk ON entries")
        await sending

        assert await alice.texts(room["id"]) == [str(number) for number in range(COMMANDS)]


async def test_a_broker_that_is_away_holds_up_nobody_and_gets_every_entry_when_it_is_back(
    tmp_path: Path, own_rabbitmq: OwnServer
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    await upgrade(url)
    bus = RabbitMQBus(own_rabbitmq.url, TOPOLOGY, name="chat_service")
    async with running_chat_service(url, bus=bus) as service:
        await eventually(lambda: _is_ready(service), within=30)
        alice = service.newcomer()
        room = await alice.create_room()
        await bus.publish([command_message(send(room, alice, "by socket"))])
        await service.hear(RoomEntry, 2)

        await own_rabbitmq.stop()

        for number in range(3):
            ok(await alice.send(room["id"], f"number {number}"), 201)
        await own_rabbitmq.start()
        entries = await service.hear(RoomEntry, 5, within=30)
        assert list(dict.fromkeys(entry.seq for entry in entries)) == [1, 2, 3, 4, 5]


async def _execute(database_url: str, *statements: str) -> None:
    database = Database(database_url)
    async with database.write() as session:
        for statement in statements:
            await session.execute(text(statement))
        await session.commit()
    await database.close()


async def _has_retried(queue: str, times: int) -> bool:
    return (REGISTRY.get_sample_value("parley_bus_retried_total", {"queue": queue}) or 0) >= times


async def _is_ready(service: ChatService) -> bool:
    return (await service.http.get("/readyz")).is_success


async def _send_all(service: ChatService, room: Json, user: User) -> None:
    for number in range(COMMANDS):
        await service.command(send(room, user, str(number)))


async def _is_refused(user: User) -> bool:
    return not (await user.get("/rooms")).is_success
