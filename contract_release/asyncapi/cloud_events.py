"""The messages on the bus: CloudEvents, one to a body or several, and what is put away."""

from contract_release.asyncapi.examples import message_example
from contract_release.asyncapi.schemas import ENTRY_BY_KIND, SCHEMAS, Json, component_schemas, said_of, schema_of
from contracts.envelope import BATCH, SINGLE, CloudEvent
from contracts.messages import PAYLOADS, Payload, RoomEntry
from contracts.routing import EXCHANGES

DEAD_LETTER = "dead_letter"


TRAITS: dict[str, Json] = {
    "batch": {
        "title": "Several at once",
        "summary": "Messages with one routing key, in order, in the CloudEvents JSON batch format.",
        "description": "They mean what each means alone. The AMQP property `type` is that of the first.",
        "contentType": BATCH,
    }
}


def batch_of(exchange: str) -> str:
    return f"{exchange}.batch"


def messages() -> dict[str, Json]:
    singles = {payload.type: _single(payload) for payload in PAYLOADS}
    batches = {batch_of(exchange): _batch(exchange) for exchange in EXCHANGES}
    return {**singles, **batches, DEAD_LETTER: _dead_letter()}


def schemas() -> dict[str, Json]:
    """Those of the envelope and of what it holds. What a message is for it says itself, not its schema."""
    schemas = component_schemas([CloudEvent, *PAYLOADS])
    for payload in PAYLOADS:
        schemas[payload.__name__].pop("description", None)
    schemas[RoomEntry.__name__]["allOf"] = [{"$ref": SCHEMAS + ENTRY_BY_KIND}]
    return schemas


def _single(payload: type[Payload]) -> Json:
    message = {
        "name": payload.type,
        **said_of(payload),
        "contentType": SINGLE,
        "payload": {
            "allOf": [
                schema_of(CloudEvent),
                {
                    "required": ["data"],
                    "properties": {
                        "type": {"const": payload.type},
                        "source": {"const": f"/{payload.producer}"},
                        "data": schema_of(payload),
                    },
                },
            ]
        },
        "bindings": {"amqp": {"messageType": payload.type, "bindingVersion": "0.3.0"}},
    }
    if "command_id" in payload.model_fields:
        message["correlationId"] = {"$ref": "#/components/correlationIds/command"}
    return {**message, "examples": [message_example(payload)]}


def _batch(exchange: str) -> Json:
    payloads = [payload for payload in PAYLOADS if payload.exchange == exchange]
    return {
        "name": batch_of(exchange),
        "traits": [{"$ref": "#/components/messageTraits/batch"}],
        "payload": {
            "type": "array",
            "items": {"oneOf": [{"$ref": f"#/components/messages/{payload.type}/payload"} for payload in payloads]},
        },
        "examples": [message_example(payloads[0], "batch")],
    }


def _dead_letter() -> Json:
    headers = {
        "x-parley-reason": "Why: what was not understood, or the error on which the last attempt failed.",
        "x-parley-attempts": "How often a handler was given it.",
        "x-parley-put-away-at": "When: RFC 3339.",
        "x-parley-exchange": "The exchange that it was published to.",
        "x-parley-key": "The routing key that it was published with.",
    }
    return {
        "name": DEAD_LETTER,
        "title": "Dead letter",
        "summary": "A message that a consumer could not deal with: the bytes, content type and type that it came with.",
        "headers": {
            "type": "object",
            "required": list(headers),
            "properties": {name: {"type": "string", "description": said} for name, said in headers.items()},
        },
        "payload": {},
    }
