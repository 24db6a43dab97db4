import json
from typing import Annotated, Any

import jsonschema_rs
import pytest
from pydantic import AfterValidator, Field, field_validator

from contract_release.schemas import DIALECT, VALIDATORS, schema, schema_text
from contracts.fields import Contract
from contracts.registry import REGISTRY, Contracted, Kind


def schema_of(model: type[Contract]) -> dict[str, Any]:
    return schema(Contracted("thing.v1", Kind.INTERNAL_HTTP, model), 1)


@pytest.mark.parametrize("contracted", REGISTRY, ids=lambda contracted: contracted.name)
def test_every_registered_model_has_a_valid_schema_with_its_name_and_revision(contracted: Contracted) -> None:
    value = json.loads(schema_text(contracted, 7))

    jsonschema_rs.meta.validate(value)
    assert value["$schema"] == DIALECT
    assert value["$id"] == f"urn:parley:{contracted.name}:7"
    assert value["title"] == contracted.name


def test_names_are_registered_once() -> None:
    names = [contracted.name for contracted in REGISTRY]

    assert len(names) == len(set(names)) > 0


class Bare(Contract):
    title: str
    description: int = 1


class Described(Contract):
    """Says more."""

    title: str = Field(title="The title", description="What it is called.", examples=["Tea"], deprecated=True)
    description: int = Field(default=1, description="A number")


def test_better_words_make_no_other_schema() -> None:
    assert schema_of(Described) == schema_of(Bare)
    assert schema_of(Bare)["properties"] == {
        "title": {"type": "string"},
        "description": {"type": "integer", "default": 1},
    }


class Nested(Contract):
    inner: Bare


def test_a_reader_passes_over_unknown_fields_at_every_depth() -> None:
    validator = jsonschema_rs.validator_for(schema_of(Nested))

    assert validator.is_valid({"inner": {"title": "Tea", "unknown": 1}, "unknown": 2})
    assert not validator.is_valid({"inner": {"unknown": 1}})


class WithFactory(Contract):
    rooms: list[str] = Field(default_factory=lambda: ["lobby"])


def test_a_default_that_a_factory_makes_is_in_the_schema() -> None:
    assert schema_of(WithFactory)["properties"]["rooms"]["default"] == ["lobby"]


def even(value: int) -> int:
    return value


class Validated(Contract):
    number: Annotated[int, AfterValidator(even)]
    word: str

    @field_validator("word")
    @classmethod
    def lower_case(cls, value: str) -> str:
        return value


def test_validators_are_named_in_the_schema() -> None:
    properties = schema_of(Validated)["properties"]

    assert properties["number"][VALIDATORS] == ["even"]
    assert properties["word"][VALIDATORS] == ["lower_case"]
