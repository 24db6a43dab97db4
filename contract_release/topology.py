"""`contracts/topology.json`: exchanges, queues, bindings and keys, as brokers and services already running have them.

What is new is added. What is there stays as it is: a broker refuses to declare a queue with other arguments, and under
another key a message would pass by those who have not been deployed anew.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from contract_release.openapi import applications
from contract_release.release import REPOSITORY, Refused, on_main
from contracts.messages import PAYLOADS
from contracts.routing import EVERYBODY, EXCHANGES, PARTITIONS, SHARDS, partition, shard
from contracts.topology import QUEUES, bloom_user_events
from messaging.bus import Topology
from messaging.rabbitmq import RabbitMQBus
from messaging.rabbitmq.topology import Queue, broadcast_queue, durable_queues, exchanges

Json = dict[str, Any]

FILE = "contracts/topology.json"

_ROOMS = [UUID(f"0192f0c1-8a00-7abc-8def-{number:012x}") for number in range(8)]

_GONE = (
    "Put it back. Once nothing that runs needs it, remove it from the brokers and name it, with the reason, under "
    f"`retired` in {FILE}."
)
_REFUSED = "A broker that has it refuses to have it otherwise, and no service could start."
_WAYS_OUT = {
    "exchange": f"{_REFUSED} Declare one of another name beside it.",
    "queue": f"{_REFUSED} Declare one of another name beside it, bound to the same keys, and consume both until the "
    "old one is empty and can be retired.",
    "message": "Services already running publish it, and listen for it, as before. Publish a new type beside it until "
    "no reader needs the old one (contracts/README.md).",
    "routing": "Services already running would send a room's messages another way than those deployed anew: they would "
    "overtake one another, or reach nobody. Leave it, or make exchanges and queues of other names beside the old ones.",
}


def artefacts() -> dict[str, str]:
    """Raises Refused, with a sentence for each change that brokers or services already running would not survive."""
    file = REPOSITORY / FILE
    committed = json.loads(file.read_text()) if file.exists() else {}
    merged = json.loads(on_main(file) or "{}")
    today = topology(committed.get("retired", {}))
    if found := list(dict.fromkeys([*breaches(merged, today), *breaches(committed, today)])):
        raise Refused(found)
    return {FILE: json.dumps(today, indent=2, sort_keys=True) + "\n"}


def topology(retired: dict[str, str]) -> Json:
    """Today's. `retired` names what is no more, and why."""
    declared = Topology.of(EXCHANGES, QUEUES)
    return {
        "exchanges": {one.name: {"type": one.type, "durable": one.durable} for one in exchanges(declared)},
        "queues": {
            queue.name: {**_described(queue), "bindings": sorted(f"{at} {key}" for at, key in queue.bindings)}
            for queue in durable_queues(declared)
        },
        "broadcast_queues": {name: _described(broadcast_queue(name, length)) for name, length in _listeners()},
        "messages": {
            one.type: {"exchange": one.exchange, "key": one.key.name, "durable": one.durable} for one in PAYLOADS
        },
        "routing": {
            "partitions": {"number": PARTITIONS},
            "shards": {"number": SHARDS},
            "everybody": {"key": EVERYBODY},
            **{f"replica {number} of bloom_service": {"queue": bloom_user_events(number)} for number in (1, 2)},
            **{f"room {room}": {"partition": partition(room), "shard": shard(room)} for room in _ROOMS},
        },
        "retired": retired,
    }


def breaches(old: Json, new: Json) -> Iterator[str]:
    """What brokers or services that know the old one would not survive.

    A broadcast queue is new with each connection, and may change. That a message is no more is judged by `release`.
    """
    today = dict(_facts(new))
    for fact, before in _facts(old):
        if fact not in today:
            if fact not in new["retired"] and not fact.startswith("message "):
                yield f"{fact} is gone. {_GONE}"
        elif changes := list(_changes(before, today[fact])):
            yield f"{fact}: {', '.join(changes)}. {_WAYS_OUT[fact.partition(' ')[0]]}"
    for fact in sorted(new["retired"].keys() & today):
        yield f"{fact} is there, and named under `retired` in {FILE}. It can only be one of the two."


def _described(queue: Queue) -> Json:
    return {"durable": queue.durable, "exclusive": queue.exclusive, "arguments": dict(queue.arguments)}


def _listeners() -> Iterator[tuple[str, int]]:
    """The names and lengths of the broadcast queues that applications make. Nothing is connected to."""
    bus = _Unconnected("amqp://", Topology.of(EXCHANGES, QUEUES))
    applications(bus)
    return bus.listeners()


class _Unconnected(RabbitMQBus):
    def listeners(self) -> Iterator[tuple[str, int]]:
        return ((broadcast.subscription.queue, broadcast.max_length) for broadcast in self._broadcasts)


def _facts(topology: Json) -> Iterator[tuple[str, Json]]:
    """Each by its name, and as fine as they may come and go."""
    for name, exchange in topology.get("exchanges", {}).items():
        yield f"exchange {name}", exchange
    for name, queue in topology.get("queues", {}).items():
        yield f"queue {name}", {"durable": queue["durable"], "exclusive": queue["exclusive"], **queue["arguments"]}
        for binding in queue["bindings"]:
            yield f"binding of {name} to {binding}", {}
    for name, message in topology.get("messages", {}).items():
        yield f"message {name}", message
    for name, value in topology.get("routing", {}).items():
        yield f"routing by {name}", value


def _changes(before: Json, after: Json) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} is {json.dumps(after.get(name))} instead of {json.dumps(before.get(name))}"
