"""What does not fit becomes a dead letter with the reason, and is counted, and what comes after it is handled: in every
durable queue of the real services, at a real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

import bloom_service.main
from bloom_service.config import Settings
from chat_service.migrations import upgrade
from common.ids import uuid7
from contracts.envelope import BATCH, SINGLE
from contracts.routing import EXCHANGES, partition
from contracts.topology import BLOOM_USER_EVENTS, CHAT_USER_EVENTS, COMMAND_QUEUES, QUEUES, command_queue
from messaging.bus import Delivery, Message, Topology
from messaging.dead_letters import dead_letter_queue
from messaging.rabbitmq import RabbitMQBus
from tests.support.bloom_service import KEY, SERVICE_TOKEN, Asked, ExportStandIn, Users, new_digest, registered
from tests.support.bus import Recorder, until_connected
from tests.support.chat_service import ChatService, command_message, event_message, running_chat_service, send
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.rabbitmq import everything_declared
from tests.support.shapes import Json

Misfit = Callable[[Message], Message]
"""Made of a good message."""


def saying(body: bytes, content_type: str = SINGLE) -> Misfit:
    return lambda good: Message(good.exchange, good.key, body, good.type, str(uuid7()), content_type)


def made_by(change: Callable[[Json], object], content_type: str = SINGLE) -> Misfit:
    """Of the good message's event."""
    return lambda good: saying(json.dumps(change(json.loads(good.body))).encode(), content_type)(good)


def with_attributes(**attributes: Any) -> Misfit:
    return made_by(lambda event: event | attributes)


def with_data(**data: Any) -> Misfit:
    return made_by(lambda event: event | {"data": event["data"] | data})


def without(name: str) -> Misfit:
    return made_by(lambda event: {attribute: value for attribute, value in event.items() if attribute != name})


def in_its_next_version(event: Json) -> Json:
    return event | {"type": event["type"].replace(".v1", ".v2")}


def beside_an_unknown_one(event: Json) -> list[Json]:
    return [event, event | {"id": str(uuid7()), "type": "never.heard.v1"}]


BESIDE_A_GOOD_ONE = "one unknown beside a good one"
"""Which comes in no other message."""

MISFITS: dict[str, tuple[Misfit, str]] = {
    "no JSON": (saying(b"{"), "Invalid JSON"),
    "nothing": (saying(b""), "Invalid JSON"),
    "one that is said to be several": (made_by(lambda event: event, BATCH), "should be a valid array"),
    "several that are said to be one": (made_by(lambda event: [event, event]), "should be an object"),
    "an unknown type": (with_attributes(type="never.heard.v1"), "unknown type 'never.heard.v1'"),
    "a newer major version": (made_by(in_its_next_version), ".v1: '"),
    "a type that is not for this queue": (with_attributes(type="session.revoked.v1"), "unknown type 'session.revoked."),
    "another version of CloudEvents": (with_attributes(specversion="2.0"), "specversion: Input should be '1.0'"),
    "data of another media type": (with_attributes(datacontenttype="text/plain"), "datacontenttype: Input should be"),
    "a time that is none": (with_attributes(time="yesterday"), "time: "),
    **{
        f"an event without {name}": (without(name), f"{name}: Field required")
        for name in ("specversion", "id", "source", "type", "time", "datacontenttype", "traceparent", "data")
    },
    "data without a field": (with_attributes(data={}), "user_id: Field required"),
    "a field of another type": (with_data(user_id=5), "user_id: "),
    BESIDE_A_GOOD_ONE: (made_by(beside_an_unknown_one, BATCH), "event 2 of 2: unknown type 'never.heard.v1'"),
}

GOOD = len(MISFITS) + 1
"""How many good events every queue gets: one before all misfits, and one after, or in, each."""


@dataclass
class Outcome:
    misfits: dict[str, list[Message]]
    letters: dict[str, list[Delivery]]
    counted: dict[str, float]
    texts: dict[str, list[str]]
    known_users: int
    known_emails: int


@pytest.fixture(scope="module")
def outcome(rabbitmq_url: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return asyncio.run(observe(rabbitmq_url, tmp_path_factory.mktemp("services")))


# --- what is done ---------------------------------------------------------------------------------------------------


async def observe(broker_url: str, folder: Path) -> Outcome:
    export = ExportStandIn()
    async with everything_declared(broker_url), services(broker_url, folder, export) as (chat, bloom):
        alice = chat.newcomer("alice")
        rooms = await a_room_in_each_partition(alice)
        goods: dict[str, list[Message]] = {
            queue: [command_message(send(room, alice, f"good {number}")) for number in range(GOOD)]
            for queue, room in rooms.items()
        }
        users = [registered(new_digest()) for _ in range(GOOD)]
        export.digests[KEY] = {user.user_id: user.email_digest for user in users}
        goods[CHAT_USER_EVENTS] = goods[BLOOM_USER_EVENTS] = [event_message(user) for user in users]
        misfits = {
            queue: [make(good) for (make, _), good in zip(MISFITS.values(), messages[1:], strict=True)]
            for queue, messages in goods.items()
            if queue != BLOOM_USER_EVENTS
        }
        misfits[BLOOM_USER_EVENTS] = misfits[CHAT_USER_EVENTS]
        before = {queue: rejected(queue) for queue in QUEUES}
        recorders = await publish(broker_url, goods, misfits)
        # any misfit may be somebody of whom bloom_service does not know: it makes its filter anew
        await Users(chat.bus, export).say_watermark()
        await bloom.count_reaches(GOOD)

        return Outcome(
            misfits=misfits,
            letters={queue: recorder.deliveries for queue, recorder in recorders.items()},
            counted={queue: rejected(queue) - before[queue] for queue in QUEUES},
            texts={queue: await alice.texts(room["id"]) for queue, room in rooms.items()},
            known_users=sum([await knows(alice, user.user_id) for user in users]),
            known_emails=(await bloom.stats())["count"],
        )


@asynccontextmanager
async def services(broker_url: str, folder: Path, export: ExportStandIn) -> AsyncIterator[tuple[ChatService, Asked]]:
    database_url = f"sqlite+aiosqlite:///{folder}/chat.db"
    await upgrade(database_url)
    bus = RabbitMQBus(broker_url, Topology.of(EXCHANGES, QUEUES))
    settings = Settings(data_dir=folder / "bloom", service_token=SecretStr(SERVICE_TOKEN), bloom_capacity=1000)
    app = bloom_service.main.create_app(settings, bus, export.client())
    bloom = Asked(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bloom_service"))
    async with app.router.lifespan_context(app), bloom.http, running_chat_service(database_url, bus=bus) as chat:
        await until_connected(bus)
        yield chat, bloom


async def a_room_in_each_partition(user: User) -> dict[str, Json]:
    rooms: dict[str, Json] = {}
    while len(rooms) < len(COMMAND_QUEUES):
        room = await user.create_room()
        rooms[command_queue(partition(UUID(room["id"])))] = room
    return rooms


async def publish(
    broker_url: str, goods: dict[str, list[Message]], misfits: dict[str, list[Message]]
) -> dict[str, Recorder]:
    """Both in turn. Returns when all of it has been dealt with, with what has become dead letters."""
    bus = RabbitMQBus(broker_url, Topology.of(EXCHANGES, QUEUES))
    recorders = {queue: Recorder() for queue in QUEUES}
    for queue, recorder in recorders.items():
        bus.consume(dead_letter_queue(queue), recorder)
    handled_before = {queue: handled(queue) for queue in QUEUES}
    await bus.start()
    await until_connected(bus)
    for queue, (first, *others) in goods.items():
        if queue != BLOOM_USER_EVENTS:  # which gets the same as chat_service's
            await bus.publish([first])
            for kind, misfit, good in zip(MISFITS, misfits[queue], others, strict=True):
                await bus.publish([misfit] if kind == BESIDE_A_GOOD_ONE else [misfit, good])

    async def all_is_handled() -> bool:
        return all(handled(queue) - handled_before[queue] == GOOD + len(MISFITS) - 1 for queue in QUEUES)

    await eventually(all_is_handled, within=30)
    for recorder in recorders.values():
        await recorder.until_it_has(len(MISFITS))
    await bus.stop()
    return recorders


async def knows(user: User, other: UUID) -> bool:
    """Whether chat_service does: user_service, which it would ask, does not."""
    return (await user.post("/rooms/direct", {"user_id": str(other)})).is_success


def handled(queue: str) -> float:
    return REGISTRY.get_sample_value("parley_bus_handled_total", {"queue": queue}) or 0.0


def rejected(queue: str) -> float:
    labels = {"queue": queue, "kind": "rejected"}
    return REGISTRY.get_sample_value("parley_bus_dead_lettered_total", labels) or 0.0


# --- what has become of it ------------------------------------------------------------------------------------------

of_each_queue = pytest.mark.parametrize("queue", QUEUES)


@of_each_queue
def test_every_misfit_is_put_away_as_it_came_and_nothing_else(outcome: Outcome, queue: str) -> None:
    letters = outcome.letters[queue]

    assert [(letter.body, letter.id) for letter in letters] == [(one.body, one.id) for one in outcome.misfits[queue]]
    assert [letter.content_type for letter in letters] == [one.content_type for one in outcome.misfits[queue]]


@pytest.mark.parametrize("kind", MISFITS)
def test_the_header_says_why(outcome: Outcome, kind: str) -> None:
    _, reason = MISFITS[kind]
    for letters in outcome.letters.values():
        assert reason in letters[list(MISFITS).index(kind)].headers["x-parley-reason"]


@of_each_queue
def test_each_is_counted(outcome: Outcome, queue: str) -> None:
    assert outcome.counted[queue] == len(MISFITS)


@pytest.mark.parametrize("queue", COMMAND_QUEUES)
def test_the_commands_between_them_are_carried_out(outcome: Outcome, queue: str) -> None:
    assert outcome.texts[queue] == [f"good {number}" for number in range(GOOD)]


def test_the_events_between_them_are_heard(outcome: Outcome) -> None:
    assert outcome.known_users == GOOD
    assert outcome.known_emails == GOOD
