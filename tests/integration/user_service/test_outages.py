"""A server that goes away and comes back."""

from pathlib import Path

from sqlalchemy import make_url

from contracts.messages import UserRegistered
from messaging.rabbitmq import RabbitMQBus
from tests.support.client import User, new_credentials
from tests.support.eventually import eventually
from tests.support.servers.server import OwnServer
from tests.support.shapes import ok, problem
from tests.support.user_service import TOPOLOGY, UserService, running_user_service
from user_service.migrations import upgrade


async def test_a_killed_database_is_503_until_it_is_back_and_loses_nothing(own_postgresql: OwnServer) -> None:
    url = make_url(own_postgresql.url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    await upgrade(url)
    async with running_user_service(url) as service:
        alice = await User.register(service.http)

        await own_postgresql.kill()

        # the server's children outlive it for a moment, and may still answer
        await eventually(lambda: _is_refused(alice))
        problem(await alice.get("/users/me"), 503, "unavailable")
        problem(await service.http.post("/api/v1/users", json=new_credentials()), 503, "unavailable")
        assert ok(await service.http.get("/readyz"), 503)["missing"].keys() == {"database"}
        await own_postgresql.start()
        await eventually(lambda: _is_ready(service), within=30)
        ok(await alice.get("/users/me"))
        await User.register(service.http)
        assert len(await service.hear(UserRegistered, 2)) == 2


async def test_a_broker_that_is_away_holds_up_nobody_and_gets_every_event_when_it_is_back(
    tmp_path: Path, own_rabbitmq: OwnServer
) -> None:
    database_url = f"sqlite+aiosqlite:///{tmp_path}/users.db"
    await upgrade(database_url)
    bus = RabbitMQBus(own_rabbitmq.url, TOPOLOGY, name="user_service")
    async with running_user_service(database_url, bus) as service:
        await eventually(lambda: _is_ready(service), within=30)
        first = await User.register(service.http)
        await service.hear(UserRegistered)

        await own_rabbitmq.stop()

        others = [await User.register(service.http) for _ in range(3)]
        await own_rabbitmq.start()
        events = await service.hear(UserRegistered, 4, within=30)
        assert list(dict.fromkeys(str(event.user_id) for event in events)) == [user.id for user in [first, *others]]


async def _is_refused(user: User) -> bool:
    return not (await user.get("/users/me")).is_success


async def _is_ready(service: UserService) -> bool:
    return (await service.http.get("/readyz")).is_success
