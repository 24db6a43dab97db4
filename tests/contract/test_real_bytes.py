"""What the services say on the bus, byte by byte: read off the wire to a real RabbitMQ, while people use them."""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import jsonschema_rs
import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event

from common.tracing import new_traceparent
from contracts.entries import ENTRIES
from contracts.envelope import BATCH, SINGLE
from contracts.messages import (
    PAYLOADS,
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    MemberAdded,
    Payload,
    PresenceQuery,
    ReactToMessage,
    RoomEntry,
    RoomRead,
    SendMessage,
    SessionRevoked,
    UserDeleted,
    UserProfileChanged,
    UserRegistered,
    UsersWatermark,
)
from contracts.routing import EVERYBODY, Key, partition, shard
from tests.support.client import User
from tests.support.deployment import Deployment, new_deployment
from tests.support.eventually import eventually
from tests.support.factories import Measured
from tests.support.outbox_record import OutboxRow, keep_outbox, kept_outbox
from tests.support.servers.provision import RABBITMQ, running
from tests.support.shapes import Json, assert_time, assert_uuid7, ok
from tests.support.wiretap import Delivered, Published, Wiretap, tapped

BURST = 60
PAYLOAD_OF = {payload.type: payload for payload in PAYLOADS}
ENTRY_OF = {entry.kind: entry for entry in ENTRIES}
ANSWERED = (SendMessage, EditMessage, DeleteMessage, ReactToMessage)

pytestmark = pytest.mark.timeout(120)

of_each_type = pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as it stands in the body of a message."""

    message: Published
    attributes: Json

    @property
    def id(self) -> str:
        return str(self.attributes["id"])

    @property
    def type(self) -> str:
        return str(self.attributes["type"])

    @property
    def traceparent(self) -> str:
        return str(self.attributes["traceparent"])

    @property
    def data(self) -> Json:
        data: Json = self.attributes["data"]
        return data


@dataclass
class Recording:
    """`outbox` has every row that was ever in one, `requests` what was asked over HTTP, by its traceparent."""

    published: Sequence[Published]
    delivered: Sequence[Delivered]
    outbox: Sequence[OutboxRow]
    requests: dict[str, str]
    emails: Sequence[str]
    events: list[Event] = field(init=False)

    def __post_init__(self) -> None:
        self.events = [Event(message, event) for message in self.published for event in events_in(message.body)]

    def of(self, *payloads: type[Payload]) -> list[Event]:
        types = [payload.type for payload in payloads]
        return [event for event in self.events if event.type in types]


def events_in(body: bytes) -> list[Json]:
    events: Json | list[Json] = json.loads(body)
    return events if isinstance(events, list) else [events]


@pytest.fixture(scope="module")
def recording(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with running(RABBITMQ) as broker:
        return asyncio.run(record(broker.url, postgresql_url, tmp_path_factory.mktemp("services")))


# --- what is done ---------------------------------------------------------------------------------------------------


async def record(broker_url: str, postgresql_url: str, folder: Path) -> Recording:
    requests: dict[str, str] = {}

    async def trace(request: httpx.Request) -> None:
        traceparent = request.headers["traceparent"] = new_traceparent()
        requests[traceparent] = f"{request.method} {re.sub(r'[0-9a-f-]{36}', '{id}', request.url.path)}"

    async with tapped(broker_url) as (tap, url), new_deployment(folder, url, postgresql_url) as services:
        databases = services.database_urls.values()
        for database in databases:
            await keep_outbox(database)
        await asyncio.to_thread(services.deploy, {})
        async with services.http() as http:
            http.event_hooks["request"] = [trace]
            people = [await User.register(http) for _ in range(3)]
            await use(services, *people)
        rows = [row for database in databases for row in await kept_outbox(database)]
        await eventually(lambda: all_was_said(tap, rows))
    return Recording(tap.published, tap.delivered, rows, requests, [user.account.email for user in people])


async def use(services: Deployment, alice: User, bob: User, carol: User) -> None:
    """Whatever makes a service say something."""
    room = (await alice.create_room("public"))["id"]
    at_alice = await services.connect(alice.account.access_token)
    at_bob = await services.connect(bob.account.access_token)

    ok(await alice.patch("/users/me", {"display_name": "Alice"}))
    ok(await alice.patch(f"/rooms/{room}", {"topic": "Tea"}))
    ok(await bob.post(f"/rooms/{room}/join"))
    await at_bob.expect("room_added")
    await alice.add(room, carol)
    await alice.add(room, carol, "admin")
    await alice.remove(room, carol)
    ok(await bob.send(room, "posted over HTTP"), 201)
    ok(await alice.post("/rooms/direct", {"user_id": bob.id}), 201)

    said = await at_bob.post(room, "said over WebSocket")
    await at_bob.send(room, "said over WebSocket", id=said["id"])
    await at_bob.expect("ack", id=said["id"], duplicate=True)
    refused = await at_bob.send(str(uuid4()), "said to nobody")
    await at_bob.expect("error", id=refused, code="not_a_member")
    for changed in (
        await at_bob.edit(room, said["message_id"], "said better"),
        await at_bob.react(room, said["message_id"]),
        await at_bob.react(room, said["message_id"], on=False),
        await at_bob.delete(room, said["message_id"]),
    ):
        await at_bob.expect("ack", id=changed, duplicate=False)
    await at_bob.command("typing", room_id=room, on=True)
    await at_alice.expect("typing", user_id=bob.id)
    await at_alice.command("read", room_id=room, seq=said["seq"])
    await at_bob.expect("read", user_id=alice.id)
    await at_alice.command("watch", user_ids=[bob.id])
    await at_alice.expect("presence", user_id=bob.id, online=True)

    burst = [str(uuid4()) for _ in range(BURST)]
    for duplicate in (False, True):
        for command in burst:
            await at_bob.send(room, "one of many", id=command)
        for command in burst:
            await at_bob.expect("ack", id=command, duplicate=duplicate)

    ok(await carol.post(f"/rooms/{room}/join"))
    assert (await carol.delete("/users/me", {"password": carol.account.password})).status_code == 204
    await at_alice.expect("event", room_id=room, kind="member.left", actor_id=carol.id)
    assert (await bob.post(f"/rooms/{room}/leave")).status_code == 204
    await at_bob.expect("room_removed", room_id=room)
    await bob.logout()
    assert await at_bob.close_code() == 4003
    assert (await alice.delete(f"/rooms/{room}")).status_code == 204
    await at_alice.expect("room_removed", room_id=room)
    await at_alice.close()
    await at_bob.close()


async def all_was_said(tap: Wiretap, rows: Sequence[OutboxRow]) -> bool:
    said = [message.properties.correlation_id for message in tap.published]
    types = [message.properties.message_type for message in tap.published]
    return UsersWatermark.type in types and all(row.message_id in said for row in rows)


# --- what was said --------------------------------------------------------------------------------------------------


def test_every_registered_message_was_said_and_no_other(recording: Recording) -> None:
    assert {event.type for event in recording.events} == PAYLOAD_OF.keys()
    assert {event.data["kind"] for event in recording.of(RoomEntry)} == ENTRY_OF.keys()


@of_each_type
def test_the_official_sdk_reads_it(recording: Recording, payload: type[Payload]) -> None:
    for event in recording.of(payload):
        body = event.message.body
        if event.message.properties.content_type == BATCH:
            # the SDK has no batches: an array of what it can read (JSON event format, section 4)
            body = json.dumps(event.attributes).encode()
        read = from_rabbitmq_event(RabbitMQMessage({}, SINGLE, body))

        assert read.get_specversion() == "1.0"
        assert read.get_id() == event.id
        assert read.get_source() == f"/{payload.producer}"
        assert read.get_type() == payload.type
        assert read.get_time() == datetime.fromisoformat(event.attributes["time"])
        assert read.get_datacontenttype() == "application/json"
        assert read.get_extension("traceparent") == event.traceparent
        assert read.get_data() == event.data


@of_each_type
def test_it_says_what_is_declared_and_nothing_else(recording: Recording, payload: type[Payload]) -> None:
    attributes = {"specversion", "id", "source", "type", "time", "datacontenttype", "data", "traceparent"}
    for event in recording.of(payload):
        assert event.attributes.keys() == attributes
        assert event.data.keys() == payload.model_fields.keys()
        payload.model_validate(event.data, extra="forbid")
        if payload is RoomEntry:
            entry = ENTRY_OF[event.data["kind"]]
            assert event.data["data"].keys() == entry.model_fields.keys()
            entry.model_validate(event.data["data"], extra="forbid")


@of_each_type
def test_it_is_valid_against_its_newest_released_schema(recording: Recording, payload: type[Payload]) -> None:
    for event in recording.of(payload):
        released_schema(payload.type).validate(event.data)
        if payload is RoomEntry:
            released_schema(f"entry.{event.data['kind']}.v1").validate(event.data["data"])


def released_schema(name: str) -> jsonschema_rs.Validator:
    revisions = Path(__file__).parents[2] / "contracts/released" / name
    newest = max(revisions.iterdir(), key=lambda revision: int(revision.name))
    return jsonschema_rs.validator_for(json.loads((newest / "schema.json").read_text()), validate_formats=True)


@of_each_type
def test_its_producer_says_it_and_its_consumers_hear_it(recording: Recording, payload: type[Payload]) -> None:
    said = {event.message.properties.message_id: event for event in recording.of(payload)}
    heard = [one for one in recording.delivered if one.properties.message_id in said]

    assert {event.message.connection for event in said.values()} == {f"{payload.producer} publish"}
    assert {one.connection for one in heard} == {f"{consumer} consume" for consumer in payload.consumers}
    for one in heard:
        assert one.body == said[one.properties.message_id].message.body


@of_each_type
def test_it_goes_where_the_registry_says(recording: Recording, payload: type[Payload]) -> None:
    gateways = {event.data["command_id"]: event.data["gateway_id"] for event in recording.of(*ANSWERED)}
    (asking,) = {event.data["gateway_id"] for event in recording.of(PresenceQuery)}
    for event in recording.of(payload):
        message, data = event.message, event.data
        match payload.key:
            case Key.TYPE:
                key = payload.type
            case Key.PARTITION:
                key = partition(UUID(data["room_id"]))
            case Key.SHARD:
                key = shard(UUID(data["room_id"]))
            case Key.EVERYBODY:
                key = EVERYBODY
            case Key.GATEWAY:
                key = gateways[data["command_id"]] if "command_id" in data else asking

        assert (message.exchange, message.key) == (payload.exchange, key)
        assert message.mandatory == payload.durable
        assert message.properties.delivery_mode == (2 if payload.durable else 1)


@of_each_type
def test_the_properties_of_its_message_mirror_the_body(recording: Recording, payload: type[Payload]) -> None:
    for event in recording.of(payload):
        properties, body = event.message.properties, event.message.body
        first = events_in(body)[0]
        assert properties.content_type == (BATCH if body.startswith(b"[") else SINGLE)
        assert properties.message_type == first["type"]
        assert properties.correlation_id == first["id"]


def test_no_two_messages_have_the_same_amqp_id(recording: Recording) -> None:
    ids = Counter(message.properties.message_id for message in recording.published)

    assert set(ids.values()) == {1}


def test_a_burst_travels_in_batches(recording: Recording, measured: Measured) -> None:
    for payload in (SendMessage, RoomEntry, CommandAccepted):
        bodies = {event.message.body for event in recording.of(payload)}
        most = max(len(events_in(body)) for body in bodies)
        measured(f"{payload.type}: up to {most} of {BURST} in one message")
        assert most > BURST / 4


# --- ids and times --------------------------------------------------------------------------------------------------


@of_each_type
def test_its_id_is_that_of_one_occurrence(recording: Recording, payload: type[Payload]) -> None:
    """An entry keeps its id when it is published again, after a repeated command. Nothing else is published again."""
    saying: dict[str, list[str]] = defaultdict(list)
    for event in recording.of(payload):
        assert_uuid7(event.id)
        saying[event.id].append(json.dumps({**event.attributes, "traceparent": ""}))

    if payload is not RoomEntry:
        assert all(len(said) == 1 for said in saying.values())
        return
    assert all(len(set(said)) == 1 for said in saying.values())
    assert sum(len(said) == 2 for said in saying.values()) == BURST + 1
    occurrences = {(event.data["room_id"], event.data["seq"]) for event in recording.of(RoomEntry)}
    assert len(occurrences) == len(saying)


@of_each_type
def test_its_time_is_in_utc_with_milliseconds(recording: Recording, payload: type[Payload]) -> None:
    for event in recording.of(payload):
        assert_time(event.attributes["time"])
        if payload is RoomEntry:
            assert event.attributes["time"] == event.data["at"]


# --- traces ---------------------------------------------------------------------------------------------------------

CAUSED = {
    "POST /api/v1/users": {UserRegistered},
    "PATCH /api/v1/users/me": {UserProfileChanged},
    "DELETE /api/v1/users/me": {UserDeleted, SessionRevoked, RoomEntry},
    "POST /api/v1/auth/logout": {SessionRevoked},
    "POST /api/v1/rooms": {RoomEntry, MemberAdded},
    "POST /api/v1/rooms/direct": {RoomEntry, MemberAdded},
    "PATCH /api/v1/rooms/{id}": {RoomEntry},
    "DELETE /api/v1/rooms/{id}": {RoomEntry},
    "POST /api/v1/rooms/{id}/join": {RoomEntry, MemberAdded},
    "POST /api/v1/rooms/{id}/leave": {RoomEntry},
    "PUT /api/v1/rooms/{id}/members/{id}": {RoomEntry, MemberAdded},
    "DELETE /api/v1/rooms/{id}/members/{id}": {RoomEntry},
    "POST /api/v1/rooms/{id}/messages": {RoomEntry},
}


def test_what_a_request_causes_carries_its_trace_context(recording: Recording) -> None:
    caused: dict[str, set[type[Payload]]] = defaultdict(set)
    for event in recording.events:
        if event.traceparent in recording.requests:
            caused[recording.requests[event.traceparent]].add(PAYLOAD_OF[event.type])

    assert caused == CAUSED
    traced = {event.traceparent for event in recording.events}
    silent = {request for traceparent, request in recording.requests.items() if traceparent not in traced}
    assert silent == {"POST /api/v1/auth/token"}


def test_what_a_command_causes_carries_its_trace_context(recording: Recording) -> None:
    """Each frame has a context of its own, a repeat another one than what it repeats."""
    commands = {event.traceparent: event for event in recording.of(*ANSWERED, MarkRead)}
    caused: dict[str, set[type[Payload]]] = defaultdict(set)
    for event in recording.of(RoomEntry, RoomRead, CommandAccepted, CommandRefused):
        if event.traceparent in commands:
            command = commands[event.traceparent].data
            assert event.data.get("command_id") == command.get("command_id")
            assert event.data["room_id"] == command["room_id"]
            caused[event.traceparent].add(PAYLOAD_OF[event.type])

    assert len(commands) == len(recording.of(*ANSWERED, MarkRead))
    assert caused.keys() == commands.keys()
    assert Counter(map(frozenset, caused.values())) == {
        frozenset({RoomEntry}): BURST + 5,  # and the four about one of the messages
        frozenset({RoomEntry, CommandAccepted}): BURST + 1,
        frozenset({CommandRefused}): 1,
        frozenset({RoomRead}): 1,
    }


def test_every_trace_context_is_one_by_w3c(recording: Recording) -> None:
    for event in recording.events:
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", event.traceparent)


# --- outbox and addresses -------------------------------------------------------------------------------------------


def test_what_stood_in_the_outbox_is_what_went_over_the_wire(recording: Recording) -> None:
    said = Counter(map(as_row, recording.published))
    stored = Counter(recording.outbox)

    assert stored
    assert stored <= said
    commands = {event.data["command_id"] for event in recording.of(*ANSWERED)}
    for event in recording.events:
        by_http = event.type == RoomEntry.type and event.data["command_id"] not in commands
        by_outbox = event.type in {payload.type for payload in BY_OUTBOX}
        assert (as_row(event.message) in stored) == (by_http or by_outbox)


BY_OUTBOX = (UserRegistered, UserProfileChanged, UserDeleted, SessionRevoked, MemberAdded)


def as_row(message: Published) -> OutboxRow:
    properties = message.properties
    return OutboxRow(
        exchange=message.exchange,
        key=message.key,
        message_type=properties.message_type or "",
        message_id=properties.correlation_id or "",
        content_type=properties.content_type or "",
        body=message.body,
        durable=properties.delivery_mode == 2,
    )


def test_nobodys_email_address_is_said(recording: Recording) -> None:
    for message in recording.published:
        said = f"{json.loads(message.body)} {message.properties.headers}"
        assert not [email for email in recording.emails if email in said]
        assert "@" not in said
