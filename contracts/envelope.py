"""The envelope of every message on the bus: CloudEvents 1.0, structured JSON, one event or a batch.

Sources: CloudEvents specification 1.0.2, JSON event format 1.0.2 (sections 3 and 4), Distributed Tracing extension.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import SerializeAsAny, TypeAdapter, ValidationError

from contracts.fields import Contract, Timestamp
from contracts.messages import PAYLOADS, Payload

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_PAYLOAD_OF_TYPE = {payload.type: payload for payload in PAYLOADS}


class InvalidEnvelope(ValueError):
    """The bytes are not CloudEvents, or their type or data is not one that this reader knows."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with the attributes it travels under. `id` and source name one occurrence, however often it arrives.

    `traceparent` is the W3C trace context of whatever caused it.
    """

    payload: Payload
    id: str
    time: datetime
    traceparent: str

    @property
    def type(self) -> str:
        return self.payload.type


class _CloudEvent(Contract):
    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: Timestamp
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str


class _Outgoing(_CloudEvent):
    data: SerializeAsAny[Payload]


class _Incoming(_CloudEvent):
    data: dict[str, Any]


_OUTGOING_BATCH = TypeAdapter(list[_Outgoing])
_INCOMING = TypeAdapter(_Incoming)
_INCOMING_BATCH = TypeAdapter(list[_Incoming])


def encode(envelopes: Sequence[Envelope]) -> tuple[bytes, str]:
    """The bytes and their content type: a single event for one envelope, the batch format for several."""
    events = [
        _Outgoing(
            id=envelope.id,
            source=envelope.payload.source,
            type=envelope.payload.type,
            time=envelope.time,
            traceparent=envelope.traceparent,
            data=envelope.payload,
        )
        for envelope in envelopes
    ]
    if len(events) == 1:
        return events[0].model_dump_json().encode(), SINGLE
    return _OUTGOING_BATCH.dump_json(events), BATCH


def decode(body: bytes, content_type: str) -> list[Envelope]:
    """The envelopes in a body, in order.

    Raises `InvalidEnvelope` if any of them is not valid; its text names the fault and no content.
    """
    try:
        if content_type.startswith(BATCH):
            events = _INCOMING_BATCH.validate_json(body)
        else:
            events = [_INCOMING.validate_json(body)]
        return [_open(event) for event in events]
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise InvalidEnvelope("; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults[:5])) from None


def _open(event: _Incoming) -> Envelope:
    payload_type = _PAYLOAD_OF_TYPE.get(event.type)
    if payload_type is None:
        raise InvalidEnvelope(f"unknown type {event.type[:100]!r}")
    return Envelope(payload_type.model_validate(event.data), event.id, event.time, event.traceparent)
