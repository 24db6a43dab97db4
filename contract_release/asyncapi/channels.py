"""The exchanges and queues of the bus, as channels."""

import re
from collections.abc import Iterable

from contract_release.asyncapi.cloud_events import DEAD_LETTER, batch_of
from contract_release.asyncapi.schemas import Json
from contracts.messages import PAYLOADS, Payload
from contracts.routing import (
    COMMANDS,
    EVENTS,
    EVERYBODY,
    EXCHANGES,
    MEMBERS,
    PARTITIONS,
    REPLIES,
    ROOMS,
    SHARDS,
    Key,
    Service,
)
from contracts.topology import COMMAND_QUEUES, QUEUES, command_queue
from messaging.dead_letters import dead_letter_queue

SERVER = "rabbitmq"
DEAD_LETTERS = "dead_letters"

_TITLES = {
    EVENTS: "Facts about users",
    COMMANDS: "What users ask of rooms",
    ROOMS: "Room entries and passing news, to the gateways that listen to the room",
    MEMBERS: "New memberships, to every gateway",
    REPLIES: "Answers to commands that made no new entry, to the gateway that asked",
}

_KEYS = {
    Key.TYPE: "{type}",
    Key.PARTITION: "{partition}",
    Key.SHARD: "{shard}",
    Key.EVERYBODY: EVERYBODY,
    Key.GATEWAY: "{gateway_id}",
}

PARAMETERS: dict[str, Json] = {
    "gateway_id": {"description": "`gateway_id` of the command that is answered."},
    "instance": {"description": "New and random with each connection to the broker."},
    "partition": {
        "description": f"0 to {PARTITIONS - 1}: the CRC-32 of the 16 bytes of `room_id`, modulo {PARTITIONS}. It keeps "
        "the commands of one room in order."
    },
    "queue": {"description": "The queue whose consumer put the message away.", "enum": sorted(QUEUES)},
    "shard": {"description": f"0 to {SHARDS - 1}: the CRC-32 of the 16 bytes of `room_id`, modulo {SHARDS}."},
    "type": {
        "description": "The message's type.",
        "enum": sorted(payload.type for payload in PAYLOADS if payload.key is Key.TYPE),
    },
}


def routing_key(payload: type[Payload]) -> str:
    """The key as far as it is the same for all messages of the type: the rest is a parameter."""
    return payload.type if payload.key is Key.TYPE else _KEYS[payload.key]


def queues_of(service: Service) -> dict[str, tuple[type[Payload], ...]]:
    """The ids of the channels that a service consumes, and what arrives there."""
    if service is Service.GATEWAY_WS:
        return {_GATEWAY_QUEUE: _consumed_by(service)}
    return {
        _channel_id(queue): tuple(
            payload for payload in _consumed_by(service) if (payload.exchange, routing_key(payload)) in bindings
        )
        for queue, bindings in _DURABLE_QUEUES.items()
        if queue.startswith(f"{service}.")
    }


def channels() -> dict[str, Json]:
    return {
        **{exchange: _exchange(exchange) for exchange in EXCHANGES},
        **{_channel_id(queue): _durable_queue(queue) for queue in _DURABLE_QUEUES},
        _GATEWAY_QUEUE: _gateway_queue(),
        DEAD_LETTERS: _dead_letters(),
    }


_DURABLE_QUEUES = {
    **{queue: bindings for queue, bindings in QUEUES.items() if queue not in COMMAND_QUEUES},
    # those of the partitions are alike
    command_queue(_KEYS[Key.PARTITION]): ((COMMANDS, _KEYS[Key.PARTITION]),),
}
_GATEWAY_QUEUE = f"{Service.GATEWAY_WS}.listener"


def _exchange(name: str) -> Json:
    payloads = [payload for payload in PAYLOADS if payload.exchange == name]
    (key,) = {payload.key for payload in payloads}
    exchange = {"name": name, "type": "direct", "durable": True, "autoDelete": False}
    return {
        "address": _KEYS[key],
        "title": _TITLES[name],
        "description": f"The exchange `{name}`. The routing key is {key}.",
        **_rest(_KEYS[key], with_batches(payloads), {"is": "routingKey", "exchange": exchange}),
    }


def _durable_queue(queue: str) -> Json:
    service = Service(queue.partition(".")[0])
    bindings = [{"exchange": exchange, "key": key} for exchange, key in _DURABLE_QUEUES[queue]]
    extensions = {"x-bindings": bindings, "x-dead-letter-queue": dead_letter_queue(queue)}
    return {
        "address": queue,
        "title": f"A durable queue of {service}",
        "description": f"Keeps what is published while no {service} runs, and hands it, in order, to one instance at a "
        f"time. What {service} does not understand, or fails on time after time, goes to `{dead_letter_queue(queue)}`, "
        "and what comes after it goes on.",
        **_rest(queue, with_batches(queues_of(service)[_channel_id(queue)]), _queue(queue, durable=True) | extensions),
    }


def _gateway_queue() -> Json:
    queue = f"{Service.GATEWAY_WS}.{{instance}}"
    payloads = queues_of(Service.GATEWAY_WS)[_GATEWAY_QUEUE]
    bindings = sorted({(payload.exchange, routing_key(payload)) for payload in payloads})
    extensions = {"x-bindings": [{"exchange": exchange, "key": key} for exchange, key in bindings]}
    return {
        "address": queue,
        "title": "The queue of one instance of gateway_ws",
        "description": "Ends with the connection to the broker, and drops its oldest messages when it is full. It is "
        "bound to the shards of the rooms that somebody listens to there. What gateway_ws does not understand it logs, "
        "counts in `parley_gateway_not_understood` and passes over; entries that it misses it fetches.",
        **_rest(queue, with_batches(payloads), _queue(queue, durable=False) | extensions),
    }


def _dead_letters() -> Json:
    queue = dead_letter_queue("{queue}")
    return {
        "address": queue,
        "title": "What could not be dealt with",
        "description": "A queue beside each durable queue, for a person to look at: see docs/operations.md.",
        **_rest(queue, [DEAD_LETTER], _queue(queue, durable=True)),
    }


def _queue(name: str, *, durable: bool) -> Json:
    queue = {"name": name, "durable": durable, "exclusive": not durable, "autoDelete": False}
    return {"is": "queue", "queue": queue}


def _rest(address: str, messages: list[str], binding: Json) -> Json:
    names = re.findall(r"{(\w+)}", address)
    parameters = {"parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names}}
    return {
        **(parameters if names else {}),
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"amqp": {**binding, "bindingVersion": "0.3.0"}},
    }


def with_batches(payloads: Iterable[type[Payload]]) -> list[str]:
    return [payload.type for payload in payloads] + sorted({batch_of(payload.exchange) for payload in payloads})


def _consumed_by(service: Service) -> tuple[type[Payload], ...]:
    return tuple(payload for payload in PAYLOADS if service in payload.consumers)


def _channel_id(queue: str) -> str:
    return queue.removesuffix(f".{_KEYS[Key.PARTITION]}")
