"""The JSON Schema (2020-12) of a contracted model: what a reader requires.

An optional field may always be absent, and fields that are not named are passed over, as readers do. Prose stays out:
asyncapi.yaml has it, and better words make no new revision.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from contracts.registry import Contracted

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VALIDATORS = "x-validators"
"""Names the functions that check more than a schema can say, so that the coming and going of one is seen."""

PROSE = ("title", "description", "examples", "deprecated")
_BY_NAME = ("properties", "$defs")


def schema(contracted: Contracted, revision: int) -> dict[str, Any]:
    generated = contracted.model.model_json_schema(schema_generator=_Generator)
    return {
        "$schema": DIALECT,
        "$id": f"urn:parley:{contracted.name}:{revision}",
        "title": contracted.name,
        **_plain(generated),
    }


def schema_text(contracted: Contracted, revision: int) -> str:
    return json.dumps(schema(contracted, revision), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(node: Any, *, by_name: bool = False) -> Any:
    """Without prose, and open to fields that are not named."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if by_name:
        return {name: _plain(value) for name, value in node.items()}
    closed = "properties" in node and node.get("additionalProperties") is False
    return {
        keyword: _plain(value, by_name=keyword in _BY_NAME)
        for keyword, value in node.items()
        if keyword not in PROSE and not (closed and keyword == "additionalProperties")
    }


class _Generator(GenerateJsonSchema):
    """Also tells of defaults that a factory makes, and of validators."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory: Callable[[], Any] | None = schema.get("default_factory")  # type: ignore[assignment]
        return factory() if factory else super().get_default_value(schema)

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        return _named(super().function_before_schema(schema), schema["function"])

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        return _named(super().function_after_schema(schema), schema["function"])

    def function_wrap_schema(self, schema: core_schema.WrapValidatorFunctionSchema) -> JsonSchemaValue:
        return _named(super().function_wrap_schema(schema), schema["function"])

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        return _named(super().function_plain_schema(schema), schema["function"])


def _named(inner: JsonSchemaValue, function: Any) -> JsonSchemaValue:
    return {**inner, VALIDATORS: [*inner.get(VALIDATORS, []), function["function"].__name__]}
