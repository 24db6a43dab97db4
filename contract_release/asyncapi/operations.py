"""What the services do on the bus: an operation per message sent, one per queue consumed."""

from collections.abc import Iterable

from contract_release.asyncapi.channels import DEAD_LETTERS, queues_of, with_batches
from contract_release.asyncapi.cloud_events import DEAD_LETTER, batch_of
from contract_release.asyncapi.schemas import Json
from contracts.messages import PAYLOADS, CommandAccepted, CommandRefused, Payload, SendMessage
from contracts.routing import REPLIES, Service


def operations() -> dict[str, Json]:
    return {
        **{f"{payload.producer}.send.{payload.type}": _send(payload) for payload in PAYLOADS},
        **{
            f"{service}.receive.{channel.removeprefix(f'{service}.')}": _receive(service, channel, payloads)
            for service in Service
            for channel, payloads in queues_of(service).items()
        },
        **{f"{service}.send.{DEAD_LETTER}": _put_away(service) for service in Service if service in _WITH_DEAD_LETTERS},
    }


_WITH_DEAD_LETTERS = (Service.CHAT_SERVICE, Service.BLOOM_SERVICE)


def _send(payload: type[Payload]) -> Json:
    # a durable message is stored, and comes back if there is no queue for it
    binding = {"deliveryMode": 2 if payload.durable else 1, "mandatory": payload.durable, "bindingVersion": "0.3.0"}
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{payload.exchange}"},
        "tags": [{"name": payload.producer}],
        "messages": _messages(payload.exchange, [payload.type, batch_of(payload.exchange)]),
        "bindings": {"amqp": binding},
        **_reply([payload]),
    }


def _receive(service: Service, channel: str, payloads: Iterable[type[Payload]]) -> Json:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "tags": [{"name": service}],
        "messages": _messages(channel, with_batches(payloads)),
        "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
        **_reply(payloads),
    }


def _reply(asked: Iterable[type[Payload]]) -> Json:
    """Only a `chat.send.v1` that makes no new entry is replied to; a new entry says so itself."""
    if SendMessage not in asked:
        return {}
    answers = with_batches([CommandAccepted, CommandRefused])
    return {"reply": {"channel": {"$ref": f"#/channels/{REPLIES}"}, "messages": _messages(REPLIES, answers)}}


def _put_away(service: Service) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{DEAD_LETTERS}"},
        "tags": [{"name": service}],
        "messages": _messages(DEAD_LETTERS, [DEAD_LETTER]),
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": "0.3.0"}},
    }


def _messages(channel: str, names: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
