"""Golden samples: the exact bytes of contracted models on the wire, made and read by the code that services use.

What a sample says is made up from the model's schema: everything in `full`, as little as may be in `minimal`, `full`
once more with each further value of an enum or boolean, and for a message `batch`, both in one body. Ids and times are
always the same.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contract_release.compatibility import Schema, expand
from contract_release.schemas import schema
from contracts.entries import EntryData
from contracts.envelope import BATCH, SINGLE, Envelope, Reader, encode
from contracts.fields import Contract, rfc3339
from contracts.frames import CLIENT_FRAME, ClientFrame, Error
from contracts.internal_http import EmailCheck
from contracts.messages import Payload
from contracts.registry import REGISTRY, Contracted, Kind

_TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

_EXAMPLES: dict[str, Any] = {
    "after": 40,
    "before": 50,
    "client": "parley-web/1.0",
    "digests": "2c" * 32 + "3d" * 32,
    "detail": "You are not a member of this room.",
    "display_name": "Zoë Müller 👋",
    "emoji": "👋🏽",
    "email_digest": "1b" * 32,
    "email_digest_key_id": "2026-01",
    "epoch": "0192f0c18a007abc",
    "gateway_id": "gateway-0192f0c1-8a00-7abc-8def-0123456789ab",
    "head": 60,
    "name": "Tea & biscuits",
    "read_seq": 40,
    "second_email_digest": "4e" * 32,
    "second_email_digest_key_id": "2026-07",
    "seq": 42,
    "text": 'Tea at "four"? \\o/\nSchön 👋',
    "token": "an access token",
    "topic": "Everything about tea",
    "username": "zoe",
}
"""What a string or number is, by the name of its field. Only a field with a pattern or a bound needs one."""

_BY_HAND: dict[str, dict[str, Any]] = {
    "http.email_check.v1": {
        "one": {"digest": "2c" * 32},
        "several": {"digests": ["2c" * 32, "3d" * 32]},
        "keyed": {"digest": "2c" * 32, "key_id": "2026-01"},
    },
}
"""The samples of models that ask more than their schemas can say."""


class Unreadable(Exception):
    """Today's reader refuses the bytes."""


class Unmakeable(Exception):
    """A model refuses what was made up for it."""

    def __init__(self, contracted: Contracted, error: ValidationError) -> None:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        super().__init__(f"{contracted.name}: give an example of `{fields}` in contract_release/samples.py")


def samples(contracted: Contracted) -> dict[str, bytes]:
    """By label. Raises Unmakeable, and UnknownKeyword."""
    try:
        models = {label: contracted.model.model_validate(value) for label, value in _values(contracted).items()}
    except ValidationError as error:
        raise Unmakeable(contracted, error) from error
    if contracted.kind is not Kind.MESSAGE:
        return {label: _write(model) for label, model in models.items()}
    envelopes = {label: _envelope(model, label) for label, model in models.items() if isinstance(model, Payload)}
    bodies = {label: encode([envelope])[0] for label, envelope in envelopes.items()}
    return {**bodies, "batch": encode([envelopes["full"], envelopes["minimal"]])[0]}


def rewritten(contracted: Contracted, body: bytes) -> bytes:
    """The same, read by today's reader and written by today's writer. Raises Unreadable."""
    if contracted.kind is not Kind.MESSAGE:
        return _write(_read(contracted, body))
    if not issubclass(contracted.model, Payload):
        raise TypeError(f"{contracted.name} is no payload")
    envelopes, faults = Reader(contracted.model).read(body, content_type(body))
    if faults:
        raise Unreadable("; ".join(faults))
    return encode(envelopes)[0]


def content_type(body: bytes) -> str:
    """Of a message's body."""
    return BATCH if body.startswith(b"[") else SINGLE


def data(contracted: Contracted, body: bytes) -> list[Any]:
    """What the schema is about: the `data` of each event, or else the body."""
    value = json.loads(body)
    if contracted.kind is not Kind.MESSAGE:
        return [value]
    return [event["data"] for event in (value if content_type(body) == BATCH else [value])]


def _read(contracted: Contracted, body: bytes) -> Contract:
    try:
        if contracted.kind is Kind.CLIENT_FRAME:
            return CLIENT_FRAME.validate_json(body, extra="ignore")
        return contracted.model.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise Unreadable(str(error)) from error


def _write(model: Contract) -> bytes:
    """As its sender does; a client leaves out what it does not mean to say."""
    by_client, terse = isinstance(model, ClientFrame), isinstance(model, Error | EmailCheck)
    return model.model_dump_json(exclude_unset=by_client, exclude_none=terse).encode()


def _envelope(payload: Payload, label: str) -> Envelope[Payload]:
    return Envelope(payload, _uuid(f"{payload.type} {label}"), _TIME, _TRACEPARENT)


@cache
def _values(contracted: Contracted) -> dict[str, Any]:
    if contracted.name in _BY_HAND:
        return _BY_HAND[contracted.name]
    expanded = expand(schema(contracted, 1))
    return {"full": _full(expanded, ""), "minimal": _minimal(expanded, ""), **dict(_variants(expanded, ""))}


def _full(schema: Schema, path: str) -> Any:
    if "anyOf" in schema:
        return _full(schema["anyOf"][0], path)
    if "properties" in schema:
        record = {name: _full(field, f"{path}.{name}") for name, field in schema["properties"].items()}
        return next(_entries(record, "full"), record)
    if schema.get("type") == "array":
        return _items(schema["items"], path)
    if schema.get("type") == "object":
        return {str(_uuid("room_id")): _full(schema["additionalProperties"], path)}
    return _scalar(schema, path)


def _items(schema: Schema, path: str) -> list[Any]:
    """One of each, told apart by their ids."""
    variants = len(list(_variants(schema, path)))
    others = (list(_variants(schema, f"{path}.{number}"))[number - 1] for number in range(1, variants + 1))
    return [_full(schema, f"{path}.0"), *(value for _, value in others)]


def _minimal(schema: Schema, path: str) -> Any:
    if {"type": "null"} in schema.get("anyOf", []):
        return None
    if "properties" in schema:
        required = schema.get("required", [])
        record = {name: _minimal(schema["properties"][name], f"{path}.{name}") for name in required}
        return next(_entries(record, "minimal"), record)
    if schema.get("type") == "array":
        return [_minimal(schema["items"], path)] * schema.get("minItems", 0)
    if schema.get("type") == "object":
        return {}
    return _scalar(schema, path)


def _variants(schema: Schema, path: str) -> Iterator[tuple[str, Any]]:
    """The other values of enums and booleans, and other kinds of entries, each in an otherwise full value."""
    if "anyOf" in schema:
        yield from _variants(schema["anyOf"][0], path)
    for value in schema.get("enum", [])[1:]:
        yield str(value), value
    if schema.get("type") == "boolean":
        yield "false", False
    if "properties" in schema:
        record = _full(schema, path)
        for name, field in schema["properties"].items():
            for label, value in _variants(field, f"{path}.{name}"):
                yield f"{name}-{label}", {**record, name: value}
        for entry in list(_entries(record, "full"))[1:]:
            yield f"kind-{entry['kind']}", entry


def _entries(record: dict[str, Any], label: str) -> Iterator[dict[str, Any]]:
    """A room's entry says by `kind` what its `data` are, which its schema does not."""
    if not {"kind", "data"} <= record.keys():
        return
    for contracted in REGISTRY:
        if issubclass(contracted.model, EntryData):
            yield {**record, "kind": contracted.model.kind, "data": _values(contracted)[label]}


def _scalar(schema: Schema, path: str) -> Any:
    name = path.rpartition(".")[2]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "uuid":
        return str(_uuid(name if name.endswith("_id") else path))
    if schema.get("format") == "date-time":
        return rfc3339(_TIME)
    if schema.get("type") == "integer":
        return _EXAMPLES.get(name, 3) + sum(int(part) for part in path.split(".") if part.isdecimal())
    by_type: dict[str, Any] = {"number": 2.5, "boolean": True, "string": f"some {name}"}
    return _EXAMPLES.get(name, by_type.get(schema.get("type", "")))


def _uuid(of: str) -> UUID:
    """A version 7 UUID, always the same for the same thing."""
    digest = hashlib.sha256(of.encode()).hexdigest()
    return UUID(f"0192f0c1-8a00-7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}")
