"""`python -m tests.support.released_service RELEASE SERVICE`: a service that speaks as in another release.

Its code is today's, and so are its models; what of them others get to see is the other release's:

* `previous`: each model has the fields of the revision before the newest, by its committed schema, and no others. What
  it writes, and what it makes of what it reads, is held to that schema.
* `next`: each model writes one field more, of which nobody knows yet. It reads as today's.
"""

import json
import runpy
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
from pydantic import (
    ModelWrapValidatorHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

import contracts.fields

_RELEASED = Path(contracts.fields.__file__).parent / "released"

ADDED = "addedbynext"
"""The field more. An attribute of a CloudEvent may be called so, too."""


class Release(StrEnum):
    PREVIOUS = "previous"
    TODAY = "today"
    NEXT = "next"


def main(release: Release, service: str) -> None:
    # before any model is made
    if release is Release.PREVIOUS:
        contracts.fields.Contract = _Previous  # type: ignore[misc]
        _load_previous()
    elif release is Release.NEXT:
        contracts.fields.Contract = _Next  # type: ignore[misc]
        _add_attribute()
    runpy.run_module(service, run_name="__main__", alter_sys=True)


class _Next(contracts.fields.Contract):
    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return {**written, ADDED: "what today's readers do not know"} if info.mode == "json" else written


def _add_attribute() -> None:
    """Have events, which are written as they stand and by no model, carry an attribute more."""
    import contracts.envelope

    encode = contracts.envelope.encode

    def encode_next(envelopes: Sequence[Any]) -> tuple[bytes, str]:
        body, content_type = encode(envelopes)
        written = json.loads(body)
        for event in written if isinstance(written, list) else [written]:
            event[ADDED] = "what today's readers do not know"
        return json.dumps(written).encode(), content_type

    contracts.envelope.encode = encode_next


_fields: dict[str, set[str]] = {}
_schemas: dict[str, jsonschema_rs.Validator] = {}
"""By the names of classes."""


class _Previous(contracts.fields.Contract):
    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name not in cls._later_fields()}
        made = read(data)
        if cls.__name__ in _schemas:
            _schemas[cls.__name__].validate(made.model_dump(mode="json"))
        return made

    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        if info.mode != "json":
            return written
        return {name: value for name, value in written.items() if name not in self._later_fields()}

    @classmethod
    def _later_fields(cls) -> set[str]:
        return cls.model_fields.keys() - _fields.get(cls.__name__, cls.model_fields.keys())


def _load_previous() -> None:
    from contracts.registry import REGISTRY

    for contracted in REGISTRY:
        *before, newest = sorted((_RELEASED / contracted.name).iterdir(), key=lambda folder: int(folder.name))
        schema = json.loads(((before or [newest])[-1] / "schema.json").read_text())
        _schemas[contracted.model.__name__] = jsonschema_rs.validator_for(schema, validate_formats=True)
        for name, model in {contracted.model.__name__: schema, **schema.get("$defs", {})}.items():
            if "properties" in model:
                # a model in several others may be at several revisions there: what they agree on
                _fields[name] = _fields.get(name, set(model["properties"])) & set(model["properties"])


if __name__ == "__main__":
    main(Release(sys.argv[1]), sys.argv[2])
