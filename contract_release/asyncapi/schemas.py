"""JSON Schemas of the models, as the document shows them: what a reader may rely on.

Objects are open, although writers are strict, because a reader must pass over the fields that are added later. The
dialect is that of AsyncAPI: draft 7, where nothing may stand beside a `$ref`.
"""

import inspect
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from contracts.entries import ENTRIES

Json = Any
"""What JSON and YAML can hold."""

SCHEMAS = "#/components/schemas/"
ENTRY_BY_KIND = "EntryByKind"


class _Generator(GenerateJsonSchema):
    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        model = super().model_schema(schema)
        constants = [name for name, field in model["properties"].items() if "const" in field]
        for name in constants:
            # it has a default for writers to leave it at
            model["properties"][name].pop("default", None)
        required = [*constants, *(name for name in model.get("required", ()) if name not in constants)]
        shown: JsonSchemaValue = {"type": "object"}
        if "description" in model:
            shown["description"] = unwrapped(model["description"])
        if required:
            shown["required"] = required
        return {**shown, "properties": model["properties"]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if "type" not in inner:
            return {"anyOf": [inner, {"type": "null"}]}
        nullable = {**inner, "type": [inner["type"], "null"]}
        if "enum" in inner:
            nullable["enum"] = [*inner["enum"], None]
        return nullable

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        field = super().default_schema(schema)
        if field.get("default", ...) is None:
            del field["default"]
        return field


def component_schemas(models: Iterable[type[BaseModel]]) -> dict[str, Json]:
    """The schemas of the models and of all that they consist of, by the names of their classes."""
    _, generated = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}", schema_generator=_Generator
    )
    schemas: dict[str, Json] = generated["$defs"]
    for schema in schemas.values():
        schema.pop("title", None)
    return schemas


def entry_by_kind() -> Json:
    """Binds `data` to `kind` for the kinds that there are, and leaves open what others there may be."""
    return {
        "description": "What `data` says, by `kind`. New kinds may come at any time: pass over one you do not know.",
        "allOf": [
            {
                "if": {"required": ["kind"], "properties": {"kind": {"const": entry.kind}}},
                "then": {"properties": {"data": schema_of(entry)}},
            }
            for entry in ENTRIES
        ],
    }


def schema_of(model: type[BaseModel]) -> Json:
    return {"$ref": SCHEMAS + model.__name__}


def said_of(model: type[BaseModel]) -> dict[str, str]:
    """The title, summary and description of a message: from its class's name, and its docstring."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model.__name__).capitalize()
    summary, _, rest = unwrapped(inspect.cleandoc(model.__doc__ or "")).partition("\n\n")
    said = {"title": words, "summary": summary, "description": rest}
    return {what: text for what, text in said.items() if text}


def unwrapped(text: str) -> str:
    """Paragraphs on one line each."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)
