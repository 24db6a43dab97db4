"""`contracts/asyncapi.yaml` as it is committed: valid, whole, and true."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from contracts.envelope import SINGLE
from contracts.frames import CLIENT_FRAMES, SERVER_FRAMES, CloseCode
from contracts.messages import PAYLOADS
from contracts.registry import REGISTRY, Kind
from contracts.routing import EXCHANGES, Key
from contracts.topology import QUEUES
from messaging.bus import Delivery
from messaging.dead_letters import dead_letter, dead_letter_queue
from tests.support.asyncapi_parser import verdicts

_CONTRACTS = Path(__file__).parents[3] / "contracts"
_DOCUMENT: dict[str, Any] = yaml.safe_load((_CONTRACTS / "asyncapi.yaml").read_text())
_BY_NAME = {contracted.name: contracted for contracted in REGISTRY}
_MESSAGES = {name for name, one in _BY_NAME.items() if one.kind not in (Kind.ENTRY, Kind.INTERNAL_HTTP)}
_ENTRIES = {name for name, one in _BY_NAME.items() if one.kind is Kind.ENTRY}


# --- valid ----------------------------------------------------------------------------------------------------------


BREAK: dict[str, Callable[[Any], object]] = {
    "a version that does not exist": lambda document: document.update(asyncapi="4.0.0"),
    "a field that does not exist": lambda document: _chat_send(document).update(sender="gateway_ws"),
    "a reference to nothing": lambda document: document["components"]["schemas"].pop("SendMessage"),
    "a message that its channel does not have": lambda document: _messages_of(document, "chat.commands").popitem(),
    "an exchange for a queue": lambda document: _amqp(document, "chat.commands").update({"is": "queue"}),
    "an action of AsyncAPI 2": lambda document: document["operations"]["gateway_ws.send.unasked"].update(
        action="publish"
    ),
    "a type that JSON does not have": lambda document: _chat_send(document).update(payload={"type": "uuid"}),
}
"""Ways to break it."""


def _chat_send(document: Any) -> Any:
    return document["components"]["messages"]["chat.send.v1"]


def _messages_of(document: Any, channel: str) -> Any:
    return document["channels"][channel]["messages"]


def _amqp(document: Any, channel: str) -> Any:
    return document["channels"][channel]["bindings"]["amqp"]


def test_the_official_parser_has_nothing_to_say_against_it() -> None:
    assert verdicts([(_CONTRACTS / "asyncapi.yaml").read_text()]) == [[]]


def test_the_official_parser_finds_whatever_is_broken() -> None:
    broken = [copy.deepcopy(_DOCUMENT) for _ in BREAK]
    for break_it, document in zip(BREAK.values(), broken, strict=True):
        break_it(document)

    found = dict(zip(BREAK, verdicts([json.dumps(document) for document in broken]), strict=True))

    assert {fault for fault, said in found.items() if not said} == set()


def test_every_part_of_an_address_that_varies_is_described() -> None:
    for channel in _DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", {}))


def test_every_reference_leads_to_something_in_it_and_has_nothing_beside_it() -> None:
    references = list(_references(_DOCUMENT))

    assert references
    for reference in references:
        assert reference.keys() == {"$ref"}  # in draft 7 it would hide the rest
        assert _found(reference["$ref"]) is not None


def _references(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for part in node.values():
            yield from _references(part)


def _found(reference: str) -> Any:
    assert reference.startswith("#/"), reference
    node: Any = _DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


# --- whole ----------------------------------------------------------------------------------------------------------


def test_every_message_and_frame_is_in_it_exactly_once_and_no_other() -> None:
    messages = _DOCUMENT["components"]["messages"]
    names = Counter(message["name"] for message in messages.values())

    assert names == Counter([*_MESSAGES, *(f"{exchange}.batch" for exchange in EXCHANGES), "dead_letter"])
    assert all(message["name"] == key for key, message in messages.items())


def test_every_kind_of_entry_is_in_it_exactly_once_and_bound_to_its_data() -> None:
    schemas = _DOCUMENT["components"]["schemas"]
    titles = Counter(schema["title"] for schema in schemas.values() if schema.get("title", "").startswith("entry."))
    rules = schemas["EntryByKind"]["allOf"]
    by_kind = {
        rule["if"]["properties"]["kind"]["const"]: _found(rule["then"]["properties"]["data"]["$ref"])["title"]
        for rule in rules
    }

    assert titles == Counter(_ENTRIES)
    assert {f"entry.{kind}.v1": title for kind, title in by_kind.items()} == {name: name for name in _ENTRIES}


# --- true -----------------------------------------------------------------------------------------------------------

KEYS = {
    Key.TYPE: "{type}",
    Key.PARTITION: "{partition}",
    Key.SHARD: "{shard}",
    Key.EVERYBODY: "all",
    Key.GATEWAY: "{gateway_id}",
}


def test_it_says_who_sends_each_message_to_which_exchange_with_which_key_and_whether_durably() -> None:
    sent = [
        (name, service, channel["bindings"]["amqp"]["exchange"]["name"], channel["address"], amqp["deliveryMode"] == 2)
        for service, channel, name, amqp in _bus_operations("send")
        if name in _BY_NAME
    ]

    assert Counter(sent) == Counter(
        (payload.type, payload.producer, payload.exchange, KEYS[payload.key], payload.durable) for payload in PAYLOADS
    )


def test_it_says_who_reads_each_message_from_a_queue_that_is_bound_to_it() -> None:
    keys = {
        payload.type: (payload.exchange, payload.type if payload.key is Key.TYPE else KEYS[payload.key])
        for payload in PAYLOADS
    }
    read = [
        (name, service, binding["exchange"])
        for service, channel, name, _ in _bus_operations("receive")
        if name in _BY_NAME
        for binding in channel["bindings"]["amqp"]["x-bindings"]
        if (binding["exchange"], binding["key"]) == keys[name]
    ]

    assert Counter(read) == Counter(
        (payload.type, consumer, payload.exchange) for payload in PAYLOADS for consumer in payload.consumers
    )


@pytest.mark.parametrize("queue", QUEUES)
def test_it_has_every_durable_queue_with_its_bindings_and_its_dead_letters(queue: str) -> None:
    durable = [
        (amqp, found)
        for channel in _DOCUMENT["channels"].values()
        if "x-dead-letter-queue" in (amqp := channel["bindings"].get("amqp", {}))
        if (found := re.fullmatch(channel["address"].replace("{partition}", "(?P<partition>\\d+)"), queue))
    ]
    ((amqp, found),) = durable

    def filled(text: str) -> str:
        return text.format(**found.groupdict())

    assert amqp["queue"]["durable"]
    assert {(one["exchange"], filled(one["key"])) for one in amqp["x-bindings"]} == set(QUEUES[queue])
    assert filled(amqp["x-dead-letter-queue"]) == dead_letter_queue(queue)
    assert queue in _DOCUMENT["components"]["parameters"]["queue"]["enum"]


def test_a_dead_letter_has_the_headers_that_it_describes() -> None:
    delivery = Delivery("parley.events", "user.registered.v9", b"{}", "user.registered.v9", "an id", SINGLE, {})

    headers = dead_letter("chat_service.user_events", delivery, "unknown type").headers

    described = _DOCUMENT["components"]["messages"]["dead_letter"]["headers"]
    assert set(headers) == set(described["required"]) == set(described["properties"])
    assert all(isinstance(value, str) for value in headers.values())


def test_every_frame_goes_one_way_over_the_web_socket() -> None:
    ways = [
        (operation["action"] if half is operation else "reply", _name(message))
        for operation in _DOCUMENT["operations"].values()
        if operation["channel"]["$ref"] == "#/channels/ws"
        for half in (operation, operation.get("reply", {"messages": []}))
        for message in half["messages"]
    ]
    received, sent = ([name for way, name in ways if way in wanted] for wanted in (("receive",), ("send", "reply")))

    assert Counter(received) == Counter(name for name in _MESSAGES if name.startswith("client."))
    assert set(sent) == {name for name in _MESSAGES if name.startswith("server.")}
    assert len(received) == len(CLIENT_FRAMES)
    assert len(set(sent)) == len(SERVER_FRAMES)


def test_every_close_code_says_whether_to_come_back() -> None:
    table = re.findall(r"^\| (\d{4}) \| .+ \| .+ \|$", _DOCUMENT["channels"]["ws"]["description"], re.MULTILINE)

    assert Counter(map(int, table)) == Counter(CloseCode)


def _bus_operations(action: str) -> Iterator[tuple[str, Any, str, Any]]:
    """Service, channel, message and AMQP binding."""
    for operation in _DOCUMENT["operations"].values():
        if operation["action"] == action and "amqp" in operation.get("bindings", {}):
            ((tag),) = operation["tags"]
            for message in operation["messages"]:
                channel = _found(operation["channel"]["$ref"])
                yield tag["name"], channel, _name(message), operation["bindings"]["amqp"]


def _name(message: Any) -> str:
    return str(message["$ref"].rpartition("/")[2])


# --- what was released ----------------------------------------------------------------------------------------------


def _samples() -> dict[str, Any]:
    files = sorted((_CONTRACTS / "released").glob("*/*/samples/*.json"))
    values = {file.relative_to(_CONTRACTS / "released").as_posix(): json.loads(file.read_bytes()) for file in files}
    return {path: value for path, value in values.items() if path.partition("/")[0] in _MESSAGES | _ENTRIES}


SAMPLES = _samples()


@pytest.mark.parametrize("path", SAMPLES)
def test_every_released_sample_is_what_it_describes(path: str) -> None:
    _validator(path.partition("/")[0], batch=isinstance(SAMPLES[path], list)).validate(SAMPLES[path])


@pytest.mark.parametrize("name", sorted(_MESSAGES | _ENTRIES))
def test_its_examples_are_released_samples_of_the_newest_revision(name: str) -> None:
    newest = max(int(path.split("/")[1]) for path in SAMPLES if path.startswith(f"{name}/"))
    described = _described(name)
    examples = [one["payload"] if name in _MESSAGES else one for one in described["examples"]]

    assert examples == [SAMPLES[f"{name}/{newest}/samples/full.json"]]


def test_a_reader_finds_unknown_fields_and_unknown_kinds_in_order() -> None:
    entry = SAMPLES["room.entry.v1/1/samples/full.json"]
    validator = _validator("room.entry.v1", batch=False)

    assert validator.is_valid(entry | {"extension": "new"})
    assert validator.is_valid(entry | {"data": entry["data"] | {"mood": "good"}})
    assert validator.is_valid(entry | {"data": entry["data"] | {"kind": "poll.opened", "data": {"options": 3}}})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda entry: entry.pop("traceparent"), id="no trace context"),
        pytest.param(lambda entry: entry.update(type="room.entry.v2"), id="another type"),
        pytest.param(lambda entry: entry.update(source="/gateway_ws"), id="another source"),
        pytest.param(lambda entry: entry["data"].pop("actor_id"), id="no actor"),
        pytest.param(lambda entry: entry["data"].update(seq="1"), id="text for a number"),
        pytest.param(lambda entry: entry["data"].update(at="yesterday"), id="no time"),
        pytest.param(lambda entry: entry["data"]["data"].pop("message_id"), id="without what its kind must have"),
    ],
)
def test_it_refuses(spoil: Callable[[Any], object]) -> None:
    entry = copy.deepcopy(SAMPLES["room.entry.v1/1/samples/full.json"])
    spoil(entry)

    assert not _validator("room.entry.v1", batch=False).is_valid(entry)


def _described(name: str) -> Any:
    if name in _MESSAGES:
        return _DOCUMENT["components"]["messages"][name]
    return next(schema for schema in _DOCUMENT["components"]["schemas"].values() if schema.get("title") == name)


@cache
def _validator(name: str, *, batch: bool) -> jsonschema_rs.Draft7Validator:
    schema = _described(name)["payload"] if name in _MESSAGES else _described(name)
    if batch:
        schema = {"type": "array", "items": schema}
    return jsonschema_rs.Draft7Validator(
        {"allOf": [schema], "components": _DOCUMENT["components"]}, validate_formats=True
    )
