"""The topology is as it was released, the same at real brokers, and leaves no message without a way."""

import asyncio
import json
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import ChannelPreconditionFailed, PublishError
from aiormq.exceptions import ChannelLockedResource
from anyio.from_thread import start_blocking_portal

import contracts.routing
import messaging.rabbitmq.topology
from contract_release.openapi import applications
from contract_release.release import REPOSITORY, Refused
from contract_release.topology import FILE, artefacts, breaches, topology
from contracts.messages import PAYLOADS, Payload
from contracts.routing import EVERYBODY, EXCHANGES, PARTITIONS, SHARDS, Key
from contracts.topology import QUEUES
from gateway_ws.shards import Shards
from messaging.bus import Binding, Broadcast, Handler, Topology
from messaging.in_process import InProcessBus
from messaging.rabbitmq.topology import broadcast_queue, declare, declare_queue
from tests.support.eventually import eventually
from tests.support.factories import Measured
from tests.support.rabbitmq import delete_queues, everything_declared

Json = dict[str, Any]

GOLDEN: Json = json.loads((REPOSITORY / FILE).read_text())
DECLARED = Topology.of(EXCHANGES, QUEUES)
QUEUE = "chat_service.user_events"

# --- the gate -------------------------------------------------------------------------------------------------------


def edited(edit: Callable[[Json], object]) -> Json:
    new = deepcopy(GOLDEN)
    edit(new)
    return new


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        pytest.param(
            lambda new: new["queues"][QUEUE]["arguments"].update({"x-delivery-limit": 20}),
            f"queue {QUEUE}: x-delivery-limit is 20 instead of 50. A broker that has it refuses",
            id="a queue's argument changed",
        ),
        pytest.param(
            lambda new: new["queues"][QUEUE]["arguments"].update({"x-max-length": 1000}),
            f"queue {QUEUE}: x-max-length is 1000 instead of null. A broker that has it refuses",
            id="a queue's argument added",
        ),
        pytest.param(
            lambda new: new["queues"][QUEUE]["arguments"].pop("x-single-active-consumer"),
            f"queue {QUEUE}: x-single-active-consumer is null instead of true. A broker that has it refuses",
            id="a queue's argument removed",
        ),
        pytest.param(
            lambda new: new["queues"][f"{QUEUE}.dead"]["arguments"].update({"x-queue-type": "classic"}),
            f'queue {QUEUE}.dead: x-queue-type is "classic" instead of "quorum". A broker that has it refuses',
            id="a dead-letter queue's argument changed",
        ),
        pytest.param(
            lambda new: new["queues"][QUEUE].update(durable=False),
            f"queue {QUEUE}: durable is false instead of true. A broker that has it refuses",
            id="a queue no longer durable",
        ),
        pytest.param(
            lambda new: new["queues"].pop("chat_service.commands.15"),
            "queue chat_service.commands.15 is gone. Put it back.",
            id="a queue removed",
        ),
        pytest.param(
            lambda new: new["queues"][QUEUE]["bindings"].remove("parley.events user.deleted.v1"),
            f"binding of {QUEUE} to parley.events user.deleted.v1 is gone. Put it back.",
            id="a binding removed",
        ),
        pytest.param(
            lambda new: new["exchanges"]["chat.rooms"].update(type="topic"),
            'exchange chat.rooms: type is "topic" instead of "direct". A broker that has it refuses',
            id="an exchange's type changed",
        ),
        pytest.param(
            lambda new: new["exchanges"].pop("chat.replies"),
            "exchange chat.replies is gone. Put it back.",
            id="an exchange removed",
        ),
        pytest.param(
            lambda new: new["messages"]["room.entry.v1"].update(key="EVERYBODY"),
            'message room.entry.v1: key is "EVERYBODY" instead of "SHARD". Services already running',
            id="a routing key changed",
        ),
        pytest.param(
            lambda new: new["messages"]["room.entry.v1"].update(exchange="chat.members"),
            'message room.entry.v1: exchange is "chat.members" instead of "chat.rooms". Services already running',
            id="a message's exchange changed",
        ),
        pytest.param(
            lambda new: new["messages"]["user.deleted.v1"].update(durable=False),
            "message user.deleted.v1: durable is false instead of true. Services already running",
            id="a message no longer durable",
        ),
        pytest.param(
            lambda new: new["routing"]["partitions"].update(number=32),
            "routing by partitions: number is 32 instead of 16. Services already running",
            id="another number of partitions",
        ),
        pytest.param(
            lambda new: new["routing"]["everybody"].update(key="everybody"),
            'routing by everybody: key is "everybody" instead of "all". Services already running',
            id="another word for everybody",
        ),
        pytest.param(
            lambda new: new["retired"].update({f"queue {QUEUE}": "nobody needs it"}),
            f"queue {QUEUE} is there, and named under `retired`",
            id="a queue retired that is still there",
        ),
    ],
)
def test_what_brokers_or_running_services_would_not_survive_is_refused(
    edit: Callable[[Json], object], sentence: str
) -> None:
    assert next(breaches(GOLDEN, edited(edit))).startswith(sentence)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(lambda new: new["exchanges"].update(more={"type": "topic", "durable": True}), id="an exchange"),
        pytest.param(lambda new: new["queues"].update(more=new["queues"][QUEUE]), id="a queue"),
        pytest.param(lambda new: new["queues"][QUEUE]["bindings"].append("parley.events more.v1"), id="a binding"),
        pytest.param(lambda new: new["messages"].update({"more.v1": {}}), id="a message"),
        pytest.param(lambda new: new["broadcast_queues"]["gateway_ws"]["arguments"].clear(), id="a broadcast queue"),
    ],
)
def test_what_comes_beside_what_is_there_is_not(edit: Callable[[Json], object]) -> None:
    assert list(breaches(GOLDEN, edited(edit))) == []
    assert list(breaches({}, edited(edit))) == []


def test_what_is_retired_may_go() -> None:
    binding = f"binding of {QUEUE} to parley.events user.deleted.v1"

    def retire(new: Json) -> None:
        new["queues"][QUEUE]["bindings"].remove("parley.events user.deleted.v1")
        new["retired"][binding] = "nothing is published under it any more"

    assert list(breaches(GOLDEN, edited(retire))) == []


def test_the_code_is_held_to_what_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messaging.rabbitmq.topology, "DELIVERY_LIMIT", 20)

    with pytest.raises(Refused, match=r"queue bloom_service\.user_events: x-delivery-limit is 20 instead of 50"):
        artefacts()


def test_another_way_to_choose_a_partition_or_shard_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts.routing, "zlib", SimpleNamespace(crc32=zlib.adler32))

    assert all(one.startswith("routing by room") for one in breaches(GOLDEN, topology({})))
    assert list(breaches(GOLDEN, topology({})))


# --- who hears what -------------------------------------------------------------------------------------------------


class Subscriptions(InProcessBus):
    """What the applications consume and listen to."""

    def __init__(self) -> None:
        super().__init__(DECLARED)
        self.consumed: set[str] = set()
        self.listened: dict[str, set[Binding]] = defaultdict(set)

    def consume(self, queue: str, handler: Handler, *, batch_size: int = 200) -> None:
        self.consumed.add(queue)
        super().consume(queue, handler, batch_size=batch_size)

    def listen(self, name: str, bindings: Sequence[Binding], handler: Handler, **options: Any) -> Broadcast:
        self.listened[name].update(bindings)
        return super().listen(name, bindings, handler, **options)


class Bound:
    """A broadcast queue that is bound as it is asked to."""

    def __init__(self, bindings: set[Binding]) -> None:
        self._bindings = bindings

    async def bind(self, bindings: Sequence[Binding]) -> None:
        self._bindings.update(bindings)

    async def unbind(self, bindings: Sequence[Binding]) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def subscriptions() -> Subscriptions:
    """With a gateway that has somebody in every shard."""
    bus = Subscriptions()
    applications(bus)
    asyncio.run(Shards(Bound(bus.listened["gateway_ws"])).bind(uuid4() for _ in range(50 * SHARDS)))
    return bus


def keys(payload: type[Payload], subscriptions: Subscriptions) -> set[str]:
    """All that a message of this type may have."""
    match payload.key:
        case Key.TYPE:
            return {payload.type}
        case Key.PARTITION:
            return {str(number) for number in range(PARTITIONS)}
        case Key.SHARD:
            return {str(number) for number in range(SHARDS)}
        case Key.EVERYBODY:
            return {EVERYBODY}
        case Key.GATEWAY:
            listened = subscriptions.listened["gateway_ws"]
            return {key for exchange, key in listened if key.startswith("gateway-")}


def hearing(exchange: str, key: str, subscriptions: Subscriptions) -> list[str]:
    """The services of the queues that get what is published so."""
    queues = {**DECLARED.queues, **subscriptions.listened}
    return [name.partition(".")[0] for name, bindings in queues.items() if Binding(exchange, key) in bindings]


def test_every_durable_queue_is_consumed(subscriptions: Subscriptions) -> None:
    assert subscriptions.consumed == set(QUEUES)
    assert subscriptions.listened.keys() == {"gateway_ws"} == GOLDEN["broadcast_queues"].keys()


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_a_message_gets_to_one_queue_of_each_of_its_consumers_and_to_nobody_else(
    payload: type[Payload], subscriptions: Subscriptions
) -> None:
    for key in keys(payload, subscriptions):
        assert sorted(hearing(payload.exchange, key, subscriptions)) == sorted(payload.consumers) != []


def test_nobody_listens_for_what_nobody_says(subscriptions: Subscriptions) -> None:
    said = {(payload.exchange, key) for payload in PAYLOADS for key in keys(payload, subscriptions)}
    queues = {**DECLARED.queues, **subscriptions.listened}

    assert {binding for bindings in queues.values() for binding in bindings} == said


# --- at a real broker -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker_url(rabbitmq_url: str) -> Iterator[str]:
    """Of a broker where all of it is declared."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(everything_declared(rabbitmq_url)):
        yield rabbitmq_url


@pytest.fixture
async def connection(broker_url: str) -> AsyncIterator[AbstractConnection]:
    async with await aio_pika.connect(broker_url) as connection:
        yield connection


async def test_declaring_it_again_and_from_several_processes_at_once_works(
    connection: AbstractConnection, broker_url: str, measured: Measured
) -> None:
    version = cast(Any, connection).transport.connection.server_properties["version"]
    measured(f"topology: declared at RabbitMQ {version}")

    async def declare_all() -> None:
        async with await aio_pika.connect(broker_url) as another, another.channel() as channel:
            await declare(channel, DECLARED)

    await declare_all()
    async with connection.channel() as channel:
        await delete_queues(channel)
    await asyncio.gather(*(declare_all() for _ in range(3)))


async def test_the_broker_has_it_as_it_is_written_down(connection: AbstractConnection) -> None:
    async with connection.channel() as channel:
        for name, exchange in GOLDEN["exchanges"].items():
            await channel.declare_exchange(name, passive=True)
            await channel.declare_exchange(name, exchange["type"], durable=exchange["durable"])
        for name, queue in GOLDEN["queues"].items():
            await channel.declare_queue(name, passive=True)
            await channel.declare_queue(name, durable=queue["durable"], arguments=queue["arguments"])


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("x-queue-type", "classic"),
        ("x-single-active-consumer", False),
        ("x-delivery-limit", 20),
        ("x-dead-letter-exchange", "parley.events"),
        ("x-dead-letter-routing-key", "elsewhere"),
        ("x-max-length", 1000),
    ],
)
async def test_the_broker_refuses_a_queue_with_another_argument(
    connection: AbstractConnection, argument: str, value: object
) -> None:
    arguments = {**GOLDEN["queues"][QUEUE]["arguments"], argument: value}

    async with connection.channel() as channel:
        with pytest.raises(ChannelPreconditionFailed, match=argument):
            await channel.declare_queue(QUEUE, durable=True, arguments=arguments)


async def test_the_broker_refuses_an_exchange_of_another_type(connection: AbstractConnection) -> None:
    async with connection.channel() as channel:
        with pytest.raises(ChannelPreconditionFailed, match="type"):
            await channel.declare_exchange("chat.rooms", "topic", durable=True)


async def test_what_is_published_by_each_binding_gets_where_it_leads_and_nowhere_else(
    connection: AbstractConnection,
) -> None:
    expected = {(name, binding) for name, queue in GOLDEN["queues"].items() for binding in queue["bindings"]}
    got: set[tuple[str, str]] = set()

    async with connection.channel(on_return_raises=True) as channel:
        for name in GOLDEN["queues"]:

            async def take(message: AbstractIncomingMessage, name: str = name) -> None:
                got.add((name, f"{message.exchange} {message.routing_key}"))

            await (await channel.get_queue(name)).consume(take, no_ack=True)
        for binding in sorted({binding for _, binding in expected}):
            exchange, key = binding.split()
            await (await channel.get_exchange(exchange)).publish(aio_pika.Message(b""), key)
        with pytest.raises(PublishError):
            await (await channel.get_exchange("chat.commands")).publish(aio_pika.Message(b""), str(PARTITIONS))

        async def all_are_there() -> bool:
            return got >= expected

        await eventually(all_are_there)
    assert got == expected


async def test_a_broadcast_queue_belongs_to_its_connection_and_dies_with_it(
    connection: AbstractConnection, broker_url: str
) -> None:
    golden = GOLDEN["broadcast_queues"]["gateway_ws"]
    queue = broadcast_queue("gateway_ws", golden["arguments"]["x-max-length"])
    arguments = {"exclusive": golden["exclusive"], "arguments": golden["arguments"]}

    async with await aio_pika.connect(broker_url) as gateway, gateway.channel() as channel:
        await declare_queue(channel, queue)
        await channel.declare_queue(queue.name, durable=golden["durable"], **arguments)
        async with connection.channel() as elsewhere:
            with pytest.raises(ChannelLockedResource):
                await elsewhere.get_queue(queue.name)

    async with connection.channel() as channel:
        await channel.declare_queue(queue.name, exclusive=True, arguments={"x-max-length": 1})  # it is a new one
