"""Services of different releases at work together, each a process of its own, over RabbitMQ and PostgreSQL.

What the processes of a release are is told in `tests.support.released_service`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from uuid import UUID, uuid4

import aio_pika
import httpx
import pytest
from anyio.from_thread import start_blocking_portal

import chat_service.services.change
import user_service.events
from common.database import Database
from contracts.entries import EntryData
from contracts.messages import PAYLOADS, UserEvent
from contracts.routing import EVENTS, Service
from contracts.topology import CHAT_USER_EVENTS
from tests.support.client import User, new_credentials
from tests.support.deployment import Deployment, new_deployment
from tests.support.eventually import eventually
from tests.support.released_service import ADDED, Release
from tests.support.servers.provision import RABBITMQ, running
from tests.support.shapes import Json, ok
from tests.support.wiretap import Published, Wiretap, tapped

pytestmark = pytest.mark.timeout(180)

NEXT = dict.fromkeys(Service, Release.NEXT)


@dataclass
class Site:
    """Where services are deployed, and what they have said on the bus and logged as errors since then."""

    services: Deployment
    tap: Wiretap
    broker_url: str
    _said_before: int = 0
    _errors_before: int = 0

    async def deploy(self, releases: Mapping[Service, Release]) -> None:
        await asyncio.to_thread(self.services.deploy, releases)
        self._said_before, self._errors_before = len(self.tap.published), len(self.services.errors())

    @property
    def published(self) -> list[Published]:
        return self.tap.published[self._said_before :]

    @property
    def dead_letters(self) -> list[Published]:
        return [message for message in self.published if message.key.endswith(".dead")]

    def faults(self) -> list[object]:
        """Whatever a service has not understood or could not deal with."""
        passed_over = self.services.metric(Service.GATEWAY_WS, "parley_gateway_not_understood_total")
        reasons = [(letter.key, letter.properties.headers) for letter in self.dead_letters]
        errors = self.services.errors()[self._errors_before :]
        return [*reasons, *errors, *([f"passed over by the gateway: {passed_over}"] if passed_over else [])]


@pytest.fixture(scope="module")
def site(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        running(RABBITMQ) as broker,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            new_site(broker.url, postgresql_url, tmp_path_factory.mktemp("services"))
        ) as site,
    ):
        yield site


@asynccontextmanager
async def new_site(broker_url: str, postgresql_url: str, folder: Path) -> AsyncIterator[Site]:
    async with tapped(broker_url) as (tap, url), new_deployment(folder, url, postgresql_url) as services:
        yield Site(services, tap, broker_url)


# --- what people do -------------------------------------------------------------------------------------------------


async def main_path(services: Deployment, *, with_filter: bool = True) -> None:
    """From a registration to a logout, with all that others see of it."""
    async with services.http() as http:
        alice, bob = [await register(services, http, with_filter=with_filter) for _ in range(2)]
        room = (await alice.create_room("public"))["id"]
        at_alice = await services.connect(alice.account.access_token)
        at_bob = await services.connect(bob.account.access_token)

        ok(await bob.post(f"/rooms/{room}/join"))
        await at_bob.expect("room_added")
        await at_alice.expect("event", room_id=room, kind="member.joined", actor_id=bob.id)
        said = await at_alice.post(room, "hello")
        heard = await at_bob.expect_text(room, "hello")
        assert (heard["seq"], heard["id"]) == (said["seq"], said["message_id"])
        await at_alice.send(room, "hello", id=said["id"])
        assert (await at_alice.expect("ack", id=said["id"], duplicate=True))["seq"] == said["seq"]
        refused = await at_alice.send(str(uuid4()), "hello")
        await at_alice.expect("error", id=refused, code="not_a_member")
        await at_bob.command("typing", room_id=room, on=True)
        await at_alice.expect("typing", room_id=room, user_id=bob.id, on=True)
        await at_bob.command("read", room_id=room, seq=said["seq"])
        await at_alice.expect("read", room_id=room, user_id=bob.id, seq=said["seq"])
        await at_alice.command("watch", user_ids=[bob.id])
        await at_alice.expect("presence", user_id=bob.id, online=True)
        assert await bob.texts(room) == ["hello"]
        for command_id, kind in (
            (await at_alice.edit(room, said["message_id"], "hello again"), "message.edited"),
            (await at_alice.react(room, said["message_id"]), "reaction.added"),
            (await at_alice.react(room, said["message_id"], on=False), "reaction.removed"),
            (await at_alice.delete(room, said["message_id"]), "message.deleted"),
        ):
            done = await at_alice.expect("ack", id=command_id, duplicate=False)
            await at_bob.expect("event", room_id=room, kind=kind, seq=done["seq"])
        assert [(message["text"], message["deleted"]) for message in await bob.messages(room)] == [("", True)]

        ok(await alice.patch("/users/me", {"display_name": "Alice the Great"}))
        await eventually(lambda: is_called(bob, room, alice.id, "Alice the Great"))
        await alice.logout()
        assert await at_alice.close_code() == 4003
        assert (await bob.delete("/users/me", {"password": bob.account.password})).status_code == 204
        assert await at_bob.close_code() == 4003
        for socket in (at_alice, at_bob):
            await socket.close()
        await eventually(lambda: is_forgotten(alice, room, bob.id))


async def register(services: Deployment, http: httpx.AsyncClient, *, with_filter: bool) -> User:
    """Whose email was free before, as the filter said, and is not any more, as filter and database say. Or else as the
    database says, without a filter."""
    credentials = new_credentials()
    free_by, taken_by = ("filter", "database") if with_filter else ("database_alone", "database_alone")
    await eventually(lambda: answered_by(services, http, credentials["email"], available=True, by=free_by), within=30)
    user = await User.register(http, credentials)
    await eventually(lambda: answered_by(services, http, credentials["email"], available=False, by=taken_by), within=30)
    return user


async def answered_by(services: Deployment, http: httpx.AsyncClient, email: str, *, available: bool, by: str) -> bool:
    answers = f'parley_email_availability_answers_total{{by="{by}"}}'
    before = services.metric(Service.USER_SERVICE, answers)
    answer = ok(await http.post("/api/v1/users/availability", json={"email": email}))
    return bool(answer == {"available": available} and services.metric(Service.USER_SERVICE, answers) > before)


async def members(user: User, room: str) -> dict[str, str]:
    found: list[Json] = ok(await user.get(f"/rooms/{room}/members"))["items"]
    return {member["user_id"]: member["display_name"] for member in found}


async def is_called(by: User, room: str, user_id: str, name: str) -> bool:
    return (await members(by, room))[user_id] == name


async def is_forgotten(by: User, room: str, user_id: str) -> bool:
    return user_id not in await members(by, room)


# --- the releases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", Service)
async def test_a_service_of_the_previous_release_works_beside_the_others(site: Site, service: Service) -> None:
    await site.deploy({service: Release.PREVIOUS})

    # the one does not name its keys, the other does not hear of them: without one there is no filter
    await main_path(site.services, with_filter=service not in (Service.USER_SERVICE, Service.BLOOM_SERVICE))

    assert site.faults() == []


async def test_services_work_beside_those_of_the_next_release_whose_fields_they_do_not_know(site: Site) -> None:
    await site.deploy(NEXT)

    await main_path(site.services)

    assert site.faults() == []
    events = [event for message in site.published for event in events_in(message.body)]
    assert {event["type"] for event in events} == {payload.type for payload in PAYLOADS}
    for event in events:
        assert ADDED in event
        assert ADDED in event["data"]


def events_in(body: bytes) -> list[Json]:
    events: Json | list[Json] = json.loads(body)
    return events if isinstance(events, list) else [events]


# --- what only a later release knows --------------------------------------------------------------------------------


class UserSuspended(UserEvent):
    type: ClassVar[str] = "user.suspended.v1"

    user_id: UUID


class UserProfileChangedV2(UserEvent):
    type: ClassVar[str] = "user.profile_changed.v2"

    user_id: UUID


class MessagePinned(EntryData):
    kind: ClassVar[str] = "message.pinned"

    message_id: UUID


async def test_an_event_that_only_a_later_release_knows_is_put_away_and_what_comes_after_it_is_handled(
    site: Site,
) -> None:
    await site.deploy(NEXT)
    async with site.services.http() as http:
        alice = await User.register(http)
        room = (await alice.create_room())["id"]
        later = [UserSuspended(user_id=UUID(alice.id)), UserProfileChangedV2(user_id=UUID(alice.id))]
        await bind(site, CHAT_USER_EVENTS, *(event.type for event in later))

        await record(site, *later)
        ok(await alice.patch("/users/me", {"display_name": "Alice the Great"}))

        await eventually(lambda: is_called(alice, room, alice.id, "Alice the Great"))
        suspended, changed = site.dead_letters
        for letter, event, reason in (
            (suspended, later[0], "unknown type 'user.suspended.v1'"),
            (changed, later[1], "another version of user.profile_changed.v1: 'user.profile_changed.v2'"),
        ):
            assert letter.key == f"{CHAT_USER_EVENTS}.dead"
            assert json.loads(letter.body)["type"] == event.type
            assert (letter.properties.headers or {})["x-parley-reason"] == reason


async def bind(site: Site, queue: str, *types: str) -> None:
    """As an instance of the later release does when it starts, while others still run in this one."""
    async with await aio_pika.connect(site.broker_url) as connection:
        bound = await (await connection.channel()).get_queue(queue)
        for type in types:
            await bound.bind(EVENTS, type)


async def record(site: Site, *events: UserEvent) -> None:
    """As an instance of user_service of the later release does."""
    database = Database(site.services.database_urls[Service.USER_SERVICE])
    async with database.write() as session:
        user_service.events.record(session, *events)
        await session.commit()
    await database.close()


async def test_an_entry_of_a_kind_that_only_a_later_release_knows_reaches_clients_without_a_hole(site: Site) -> None:
    await site.deploy(NEXT)
    async with site.services.http() as http:
        alice = await User.register(http)
        room = (await alice.create_room())["id"]
        at_alice = await site.services.connect(alice.account.access_token)
        said = await at_alice.post(room, "hello")

        await append(site, alice, room, MessagePinned(message_id=UUID(said["message_id"])))

        pinned = await at_alice.expect("event", room_id=room, kind=MessagePinned.kind)
        assert pinned["seq"] == said["seq"] + 1
        assert pinned["data"] == {"message_id": said["message_id"]}
        assert (await at_alice.post(room, "hello again"))["seq"] == pinned["seq"] + 1
        await at_alice.expect_text(room, "hello again")
        await at_alice.close()
        assert [entry["kind"] for entry in await alice.log(room, after=said["seq"])] == [
            MessagePinned.kind,
            "message.posted",
        ]
        assert not site.dead_letters


async def append(site: Site, user: User, room_id: str, data: EntryData) -> None:
    """As an instance of chat_service of the later release does."""
    database = Database(site.services.database_urls[Service.CHAT_SERVICE])
    async with database.write() as session:
        change = await chat_service.services.change.RoomChange.begin(session, UUID(room_id), UUID(user.id))
        await change.append(data)
        await session.commit()
    await database.close()
