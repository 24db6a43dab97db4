"""The document as a whole."""

from contract_release.asyncapi import channels, cloud_events, operations, websocket
from contract_release.asyncapi.examples import CONTRACTED, example
from contract_release.asyncapi.routes import PARAMETERS, routing_key
from contract_release.asyncapi.schemas import ENTRY_BY_KIND, Json, component_schemas, entry_by_kind
from contracts.entries import ENTRIES
from contracts.messages import PAYLOADS

_DESCRIPTION = """\
What flows where: between the services over RabbitMQ, and between clients and the gateway over the WebSocket. Made from
`contracts/` by `make contracts`. HTTP is in `openapi/`, the exact arguments of the queues in `topology.json`.

A channel of the bus is an exchange (`is: routingKey`) or a queue (`is: queue`, bound as `x-bindings` says). Operations
say who does what: their tags name the service, `send` is what it produces and `receive` what it consumes.

Writers say exactly what stands here. Readers pass over fields that they do not know: within a version fields may be
added, optional ones, and nothing else is ever changed. A type that has to say something else gets a new name, and is
published beside the old one until nobody reads that any more.

Every message on the bus is a CloudEvent 1.0 in structured JSON, one to a body or a batch, with the W3C trace context of
what caused it in `traceparent`. `id` and `source` name one occurrence: it may arrive more than once.

A durable message waits on disk for its consumers. Any other goes to whoever is there. What a consumer with a durable
queue does not understand goes to the dead-letter queue beside it.

| type | from | to | exchange | key | durable |
|---|---|---|---|---|---|
"""


def document() -> dict[str, Json]:
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "Parley", "version": "1", "description": _DESCRIPTION + "".join(_routes())},
        "defaultContentType": "application/json",
        "servers": _SERVERS,
        "channels": channels.channels() | websocket.channels(),
        "operations": operations.operations() | websocket.operations(),
        "components": {
            "messageTraits": cloud_events.TRAITS,
            "messages": cloud_events.messages() | websocket.messages(),
            "parameters": PARAMETERS,
            "correlationIds": _CORRELATION_IDS,
            "schemas": dict(sorted(_schemas().items())),
        },
    }


_SERVERS = {
    channels.SERVER: {
        "host": "rabbitmq:5672",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ 3.10 or newer, as the stack has it. A single process has the same within itself.",
    },
    websocket.SERVER: {
        "host": "localhost:8000",
        "protocol": "ws",
        "description": "The one origin that clients see, as `make run` serves it; `wss` behind what terminates TLS.",
    },
}

_CORRELATION_IDS = {
    "command": {
        "description": "The client's own id of the command: one user's command takes effect once.",
        "location": "$message.payload#/data/command_id",
    },
    "frame": {
        "description": "The client's own id of the command, in it and in its answer.",
        "location": "$message.payload#/id",
    },
}


def _routes() -> list[str]:
    return [
        f"| `{payload.type}` | {payload.producer} | {', '.join(payload.consumers)} | `{payload.exchange}` | "
        f"`{routing_key(payload)}` | {'yes' if payload.durable else 'no'} |\n"
        for payload in PAYLOADS
    ]


def _schemas() -> dict[str, Json]:
    schemas = {**cloud_events.schemas(), **websocket.schemas(), **component_schemas(ENTRIES)}
    for entry in ENTRIES:
        schemas[entry.__name__] |= {"title": CONTRACTED[entry].name, "examples": [example(entry)]}
    return {**schemas, ENTRY_BY_KIND: entry_by_kind()}
