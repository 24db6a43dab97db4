"""How the document names keys and queues: what varies in them is a parameter, in braces."""

from dataclasses import dataclass

from contract_release.asyncapi.schemas import Json
from contracts.messages import PAYLOADS, Payload
from contracts.routing import COMMANDS, EVERYBODY, PARTITIONS, SHARDS, Key, Service
from contracts.topology import COMMAND_QUEUES, QUEUES, command_queue

KEYS = {
    Key.TYPE: "{type}",
    Key.PARTITION: "{partition}",
    Key.SHARD: "{shard}",
    Key.EVERYBODY: EVERYBODY,
    Key.GATEWAY: "{gateway_id}",
}

PARAMETERS: dict[str, Json] = {
    "gateway_id": {"description": "`gateway_id` of the command or question that is answered."},
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
    return payload.type if payload.key is Key.TYPE else KEYS[payload.key]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of one service, or several that are alike. `channel` is its name in the document.

    Bindings are (exchange, key). One that is not durable belongs to an instance.
    """

    service: Service
    channel: str
    address: str
    bindings: tuple[tuple[str, str], ...]
    durable: bool

    def payloads(self) -> list[type[Payload]]:
        """What arrives in it for its service."""
        return [
            payload
            for payload in PAYLOADS
            if self.service in payload.consumers and (payload.exchange, routing_key(payload)) in self.bindings
        ]


def queues() -> list[Queue]:
    return [
        *(
            Queue(Service(name.partition(".")[0]), name, name, bindings, durable=True)
            for name, bindings in QUEUES.items()
            if name not in COMMAND_QUEUES
        ),
        _of_commands(),
        _of_a_gateway(),
    ]


def _of_commands() -> Queue:
    partition = KEYS[Key.PARTITION]
    bindings = ((COMMANDS, partition),)
    return Queue(Service.CHAT_SERVICE, "chat_service.commands", command_queue(partition), bindings, durable=True)


def _of_a_gateway() -> Queue:
    service = Service.GATEWAY_WS
    heard = {(payload.exchange, routing_key(payload)) for payload in PAYLOADS if service in payload.consumers}
    return Queue(service, f"{service}.listener", f"{service}.{{instance}}", tuple(sorted(heard)), durable=False)
