"""The exchanges and queues of the bus, as channels."""

import re
from collections.abc import Iterable

from contract_release.asyncapi.cloud_events import DEAD_LETTER, batch_of
from contract_release.asyncapi.routes import KEYS, Queue, queues
from contract_release.asyncapi.schemas import Json
from contracts.messages import PAYLOADS, Payload
from contracts.routing import COMMANDS, EVENTS, EXCHANGES, MEMBERS, PRESENCE, REPLIES, ROOMS
from contracts.topology import BLOOM_USER_EVENTS, bloom_user_events
from messaging.dead_letters import dead_letter_queue

SERVER = "rabbitmq"
DEAD_LETTERS = "dead_letters"

_TITLES = {
    EVENTS: "Facts about users",
    COMMANDS: "What users ask of rooms",
    ROOMS: "Room entries and passing news, to the gateways that listen to the room",
    MEMBERS: "New memberships, to every gateway",
    REPLIES: "Answers to the gateway that asked: to commands that made no new entry, and of who is online",
    PRESENCE: "Questions of who is online, to every gateway",
}

_DURABLE = """\
Keeps what is published while no {service} runs, and hands it, in order, to one instance at a time. What {service} does
not understand, or fails on time after time, goes to `{dead_letters}`, and what comes after it goes on.
"""

_OF_ONE_REPLICA = {
    BLOOM_USER_EVENTS: f"""\
Each further replica has one of its own, which is bound alike: `{bloom_user_events(2)}` and so on.
"""
}

_OF_AN_INSTANCE = """\
Ends with the connection to the broker, and drops its oldest messages when it is full. It is bound to the shards of the
rooms that somebody listens to there. What {service} does not understand it logs, counts in
`parley_gateway_not_understood` and passes over; entries that it misses it fetches from chat_service.
"""


def channels() -> dict[str, Json]:
    return {
        **{exchange: _exchange(exchange) for exchange in EXCHANGES},
        **{queue.channel: _queue(queue) for queue in queues()},
        DEAD_LETTERS: _dead_letters(),
    }


def names_of(payloads: Iterable[type[Payload]]) -> list[str]:
    """The messages in which they travel: alone, or several at once."""
    return [payload.type for payload in payloads] + sorted({batch_of(payload.exchange) for payload in payloads})


def _exchange(name: str) -> Json:
    payloads = [payload for payload in PAYLOADS if payload.exchange == name]
    (key,) = {payload.key for payload in payloads}
    binding = {
        "is": "routingKey",
        "exchange": {"name": name, "type": "direct", "durable": True, "autoDelete": False},
    }
    description = f"The exchange `{name}`. The routing key is {key}."
    return _channel(KEYS[key], _TITLES[name], description, names_of(payloads), binding)


def _queue(queue: Queue) -> Json:
    kind, description = ("A durable queue", _DURABLE) if queue.durable else ("An instance's queue", _OF_AN_INSTANCE)
    dead_letters = dead_letter_queue(queue.address)
    binding = {
        **_queue_binding(queue.address, durable=queue.durable),
        "x-bindings": [{"exchange": exchange, "key": key} for exchange, key in queue.bindings],
        **({"x-dead-letter-queue": dead_letters} if queue.durable else {}),
    }
    return _channel(
        queue.address,
        f"{kind} of {queue.service}",
        description.format(service=queue.service, dead_letters=dead_letters) + _OF_ONE_REPLICA.get(queue.address, ""),
        names_of(queue.payloads()),
        binding,
    )


def _dead_letters() -> Json:
    queue = dead_letter_queue("{queue}")
    description = "A queue beside each durable queue, for a person to look at: see docs/operations.md."
    binding = _queue_binding(queue, durable=True)
    return _channel(queue, "What could not be dealt with", description, [DEAD_LETTER], binding)


def _queue_binding(name: str, *, durable: bool) -> dict[str, Json]:
    queue = {"name": name, "durable": durable, "exclusive": not durable, "autoDelete": False}
    return {"is": "queue", "queue": queue}


def _channel(address: str, title: str, description: str, messages: list[str], binding: dict[str, Json]) -> Json:
    parameters = {name: {"$ref": f"#/components/parameters/{name}"} for name in re.findall(r"{(\w+)}", address)}
    return {
        "address": address,
        "title": title,
        "description": description,
        **({"parameters": parameters} if parameters else {}),
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"amqp": {**binding, "bindingVersion": "0.3.0"}},
    }
