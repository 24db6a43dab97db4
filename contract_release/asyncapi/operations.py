"""What the services do on the bus: an operation per message sent, one per queue consumed."""

from collections.abc import Iterable, Sequence

from contract_release.asyncapi.channels import DEAD_LETTERS, names_of
from contract_release.asyncapi.cloud_events import DEAD_LETTER
from contract_release.asyncapi.routes import Queue, queues
from contract_release.asyncapi.schemas import Json
from contracts.messages import PAYLOADS, CommandAccepted, CommandRefused, Payload, SendMessage
from contracts.routing import REPLIES, Service


def operations() -> dict[str, Json]:
    consumed = queues()
    have_dead_letters = dict.fromkeys(queue.service for queue in consumed if queue.durable)
    return {
        **{f"{payload.producer}.send.{payload.type}": _send(payload) for payload in PAYLOADS},
        **{f"{queue.service}.receive.{queue.channel.partition('.')[2]}": _receive(queue) for queue in consumed},
        **{f"{service}.send.{DEAD_LETTER}": _put_away(service) for service in have_dead_letters},
    }


def _send(payload: type[Payload]) -> Json:
    # what is durable is stored, and comes back if there is no queue for it
    binding = {"deliveryMode": 2 if payload.durable else 1, "mandatory": payload.durable}
    operation = _operation("send", payload.producer, payload.exchange, names_of([payload]), binding)
    return {**operation, **_reply([payload])}


def _receive(queue: Queue) -> Json:
    payloads = queue.payloads()
    operation = _operation("receive", queue.service, queue.channel, names_of(payloads), {"ack": True})
    return {**operation, **_reply(payloads)}


def _put_away(service: Service) -> Json:
    return _operation("send", service, DEAD_LETTERS, [DEAD_LETTER], {"deliveryMode": 2, "mandatory": True})


def _operation(action: str, service: Service, channel: str, messages: Iterable[str], binding: dict[str, Json]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "tags": [{"name": service}],
        "messages": _messages(channel, messages),
        "bindings": {"amqp": {**binding, "bindingVersion": "0.3.0"}},
    }


def _reply(asked: Sequence[type[Payload]]) -> dict[str, Json]:
    """To a command with an id that makes no new entry. One that does needs none: the entry names the command."""
    if SendMessage not in asked:
        return {}
    answers = names_of([CommandAccepted, CommandRefused])
    return {"reply": {"channel": {"$ref": f"#/channels/{REPLIES}"}, "messages": _messages(REPLIES, answers)}}


def _messages(channel: str, names: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
