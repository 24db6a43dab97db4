"""The envelope of every message on the bus: CloudEvents 1.0, structured JSON, one event or a batch.

Sources: CloudEvents specification 1.0.2, JSON event format 1.0.2 (sections 3 and 4), Distributed Tracing extension.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union
from uuid import UUID

from pydantic import Field, SerializeAsAny, TypeAdapter, ValidationError, create_model
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from contracts.fields import Contract, Timestamp
from contracts.messages import Payload

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

AnyPayload = TypeVar("AnyPayload", bound=Payload, covariant=True)


class Envelope(NamedTuple, Generic[AnyPayload]):
    """A payload with the attributes it travels under. `id` and source name one occurrence, however often it arrives.

    `traceparent` is the W3C trace context of whatever caused it.
    """

    payload: AnyPayload
    id: UUID
    time: datetime
    traceparent: str


class CloudEvent(Contract):
    """The attributes that every event on the bus has."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    time: Timestamp
    datacontenttype: Literal["application/json"]
    traceparent: str


class _Outgoing(TypedDict):
    """A CloudEvent as it is written: nothing in it has to be validated once more."""

    specversion: str
    id: UUID
    source: str
    type: str
    time: Timestamp
    datacontenttype: str
    traceparent: str
    data: SerializeAsAny[Payload]


class _Incoming(CloudEvent):
    data: dict[str, Any]


_OUTGOING = TypeAdapter(_Outgoing)
_OUTGOING_BATCH = TypeAdapter(list[_Outgoing])
_EVENT = TypeAdapter(dict[str, Any])
_EVENTS = TypeAdapter(list[Any])


def encode(envelopes: Sequence[Envelope[Payload]]) -> tuple[bytes, str]:
    """The bytes and their content type: a single event for one envelope, the batch format for several."""
    events = [
        _Outgoing(
            specversion="1.0",
            id=envelope.id,
            source=f"/{envelope.payload.producer}",
            type=envelope.payload.type,
            time=envelope.time,
            datacontenttype="application/json",
            traceparent=envelope.traceparent,
            data=envelope.payload,
        )
        for envelope in envelopes
    ]
    if len(events) == 1:
        return _OUTGOING.dump_json(events[0]), SINGLE
    return _OUTGOING_BATCH.dump_json(events), BATCH


class Reader(Generic[AnyPayload]):
    """Reads bodies that hold events of these types."""

    def __init__(self, *payload_types: type[AnyPayload]) -> None:
        self._payload_types = {payload_type.type: payload_type for payload_type in payload_types}
        event: Any = Union[tuple(map(_event_of, payload_types))]  # noqa: UP007 - of as many as there are
        if len(payload_types) > 1:
            event = Annotated[event, Field(discriminator="type")]
        self._event: TypeAdapter[Any] = TypeAdapter(event)
        self._batch: TypeAdapter[list[Any]] = TypeAdapter(list[event])

    def read(self, body: bytes, content_type: str) -> tuple[list[Envelope[AnyPayload]], list[str]]:
        """The envelopes in a body, in order, and why any others in it could not be read.

        The faults name neither values nor anything else of the content but an unknown type.
        """
        batch = content_type.startswith(BATCH)
        try:
            read = (self._batch if batch else self._event).validate_json(body, extra="ignore")
        except ValidationError:
            return self._read_one_by_one(body, batch)
        events: list[Any] = read if batch else [read]
        return [Envelope(event.data, event.id, event.time, event.traceparent) for event in events], []

    def _read_one_by_one(self, body: bytes, batch: bool) -> tuple[list[Envelope[AnyPayload]], list[str]]:
        """A body in which something is at fault: all the rest is read."""
        envelopes: list[Envelope[AnyPayload]] = []
        faults: list[str] = []
        try:
            events = _EVENTS.validate_json(body) if batch else [_EVENT.validate_json(body)]
        except ValidationError as error:
            return [], [_describe(error)]
        for number, event in enumerate(events, 1):
            try:
                envelopes.append(self._open(event))
            except ValidationError as error:
                faults.append(f"event {number} of {len(events)}: {_describe(error)}" if batch else _describe(error))
            except _UnknownType as error:
                faults.append(f"event {number} of {len(events)}: {error}" if batch else str(error))
        return envelopes, faults

    def _open(self, event: object) -> Envelope[AnyPayload]:
        incoming = _Incoming.model_validate(event, extra="ignore")
        payload_type = self._payload_types.get(incoming.type)
        if payload_type is None:
            raise _UnknownType(self._why_unknown(incoming.type))
        payload = payload_type.model_validate(incoming.data, extra="ignore")
        return Envelope(payload, incoming.id, incoming.time, incoming.traceparent)

    def _why_unknown(self, name: str) -> str:
        family = name.rpartition(".")[0]
        known = [type for type in self._payload_types if type.rpartition(".")[0] == family]
        if known:
            return f"another version of {known[0]}: {name[:100]!r}"
        return f"unknown type {name[:100]!r}"


def _event_of(payload_type: type[Payload]) -> type[CloudEvent]:
    literal: Any = Literal
    event: type[CloudEvent] = create_model(
        payload_type.__name__, __base__=CloudEvent, type=(literal[payload_type.type], ...), data=(payload_type, ...)
    )
    return event


class _UnknownType(Exception):
    pass


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
