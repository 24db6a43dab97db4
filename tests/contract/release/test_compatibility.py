"""The gate on schemas: what it lets pass, and what it refuses."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field, create_model

from contract_release.compatibility import Broken, Schema, UnknownKeyword, check, expand, next_version
from contract_release.schemas import schema
from contracts.fields import Contract
from contracts.registry import REGISTRY, Contracted, Kind

OLD_BYTES, OLD_READERS, BOTH = Broken.OLD_BYTES, Broken.OLD_READERS, Broken.BOTH


def even(value: int) -> int:
    return value


def odd(value: int) -> int:
    return value


def schema_of(**fields: Any) -> Schema:
    """Of a model with these fields: a type, or a type and a default."""
    definitions: dict[str, Any] = {
        name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()
    }
    model = create_model("Thing", __base__=Contract, **definitions)
    return schema(Contracted("thing.v1", Kind.INTERNAL_HTTP, model), 1)


class Inner(Contract):
    word: str


class InnerLonger(Contract):
    word: str
    more: str = ""


class InnerOther(Contract):
    word: int


class Tree(Contract):
    children: "list[Tree]"


# --- what anybody may do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"a": str}, {"a": str}, id="nothing"),
        pytest.param({"a": str}, {"a": str, "b": (int, 0)}, id="a new optional field"),
        pytest.param({"a": str}, {"a": str, "b": (UUID | None, None)}, id="a new optional field that may be null"),
        pytest.param({"a": str}, {"a": str, "b": (Inner, Inner(word=""))}, id="a new optional field with fields"),
        pytest.param({"a": str, "b": int}, {"b": int, "a": str}, id="another order"),
        pytest.param({"a": str}, {"a": Annotated[str, Field(description="Said better.")]}, id="a description"),
        pytest.param({"a": Literal["x", "y"]}, {"a": Literal["y", "x"]}, id="another order of an enum"),
        pytest.param({"a": Inner}, {"a": InnerLonger}, id="a new optional field of a field"),
        pytest.param({"a": Inner | None}, {"a": InnerLonger | None}, id="a new optional field of a nullable field"),
        pytest.param({"a": list[Inner]}, {"a": list[InnerLonger]}, id="a new optional field of an item"),
        pytest.param({"a": dict[str, Inner]}, {"a": dict[str, InnerLonger]}, id="a new optional field of a value"),
        pytest.param({"a": Inner | str}, {"a": InnerLonger | str}, id="a new optional field of one form"),
    ],
)
def test_what_everybody_can_live_with_passes(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert check(schema_of(**old), schema_of(**new)) == []


@pytest.mark.parametrize("contracted", REGISTRY, ids=lambda contracted: contracted.name)
def test_the_gate_knows_all_that_todays_models_say(contracted: Contracted) -> None:
    today = schema(contracted, 1)

    assert check(today, today) == []


# --- what nobody may do ---------------------------------------------------------------------------------------------

Limited = Annotated[str, Field(max_length=5)]
Counted = Annotated[int, Field(ge=3, le=5)]

REFUSED = [
    pytest.param({"a": str, "b": int}, {"a": str}, "b", "removed or renamed", OLD_READERS, id="removed"),
    pytest.param({"a": str, "b": (int, 0)}, {"a": str}, "b", "removed", OLD_READERS, id="an optional one removed"),
    pytest.param({"a": str}, {"a": str, "b": int}, "b", "is new and required", OLD_BYTES, id="new and required"),
    pytest.param({"a": (str, "")}, {"a": str}, "a", "now required", OLD_BYTES, id="optional to required"),
    pytest.param({"a": str}, {"a": (str, "")}, "a", "now optional", OLD_READERS, id="required to optional"),
    pytest.param({"a": (int, 0)}, {"a": (int, 1)}, "a", "means default 1", BOTH, id="another default"),
    pytest.param({"a": (bool, False)}, {"a": (bool, True)}, "a", "means default true", BOTH, id="a boolean's default"),
    pytest.param({"a": int}, {"a": str}, "a", "is string instead of integer", BOTH, id="retyped"),
    pytest.param({"a": int}, {"a": float}, "a", "is number instead of integer", BOTH, id="wider"),
    pytest.param({"a": str}, {"a": Any}, "a", "is anything instead of string", BOTH, id="untyped"),
    pytest.param({"a": str}, {"a": list[str]}, "a", "is array instead of string", BOTH, id="a list"),
    pytest.param({"a": str}, {"a": str | None}, "a", "may now be null", OLD_READERS, id="nullable"),
    pytest.param({"a": str | None}, {"a": str}, "a", "no longer be null", OLD_BYTES, id="no longer nullable"),
    pytest.param({"a": str}, {"a": str | int}, "a", "2 forms instead of 1", BOTH, id="another form"),
    pytest.param({"a": str | int}, {"a": str | bool}, "a", "is boolean", BOTH, id="another second form"),
    pytest.param({"a": str}, {"a": UUID}, "a", 'format "uuid" instead of no format', BOTH, id="a format"),
    pytest.param({"a": UUID}, {"a": datetime}, "a", 'format "date-time"', BOTH, id="another format"),
    pytest.param({"a": str}, {"a": Limited}, "a", "maxLength 5 instead of no", OLD_BYTES, id="tightened"),
    pytest.param({"a": Limited}, {"a": str}, "a", "no maxLength instead of maxLength 5", OLD_READERS, id="loosened"),
    pytest.param({"a": Counted}, {"a": Annotated[int, Field(ge=4, le=5)]}, "a", "minimum 4", OLD_BYTES, id="more"),
    pytest.param({"a": Counted}, {"a": Annotated[int, Field(ge=2, le=5)]}, "a", "minimum 2", OLD_READERS, id="less"),
    pytest.param({"a": Counted}, {"a": Annotated[int, Field(ge=3, le=4)]}, "a", "maximum 4", OLD_BYTES, id="lower"),
    pytest.param({"a": Counted}, {"a": Annotated[int, Field(ge=3, le=6)]}, "a", "maximum 6", OLD_READERS, id="higher"),
    pytest.param({"a": int}, {"a": Annotated[int, Field(gt=0)]}, "a", "exclusiveMinimum 0", OLD_BYTES, id="positive"),
    pytest.param({"a": int}, {"a": Annotated[int, Field(lt=9)]}, "a", "exclusiveMaximum 9", OLD_BYTES, id="below"),
    pytest.param({"a": int}, {"a": Annotated[int, Field(multiple_of=2)]}, "a", "multipleOf 2", BOTH, id="multiples"),
    pytest.param({"a": str}, {"a": Annotated[str, Field(min_length=1)]}, "a", "minLength 1", OLD_BYTES, id="not empty"),
    pytest.param({"a": str}, {"a": Annotated[str, Field(pattern="^x")]}, "a", 'pattern "^x"', BOTH, id="a pattern"),
    pytest.param({"a": list[int]}, {"a": list[str]}, "a[]", "is string", BOTH, id="items retyped"),
    pytest.param(
        {"a": list[int]}, {"a": Annotated[list[int], Field(max_length=3)]}, "a", "maxItems 3", OLD_BYTES, id="fewer"
    ),
    pytest.param(
        {"a": list[int]}, {"a": Annotated[list[int], Field(min_length=1)]}, "a", "minItems 1", OLD_BYTES, id="any"
    ),
    pytest.param({"a": list[int]}, {"a": set[int]}, "a", "uniqueItems true", BOTH, id="a set"),
    pytest.param({"a": dict[str, int]}, {"a": dict[str, str]}, "a.*", "is string", BOTH, id="values retyped"),
    pytest.param({"a": dict[str, int]}, {"a": dict[UUID, int]}, "a.(key)", 'format "uuid"', BOTH, id="keys"),
    pytest.param(
        {"a": dict[str, int]},
        {"a": Annotated[dict[str, int], Field(min_length=1, max_length=2)]},
        "a",
        "maxProperties 2",
        OLD_BYTES,
        id="fewer keys",
    ),
    pytest.param({"a": dict[str, str]}, {"a": Inner}, "a", "an object of named fields", BOTH, id="keys become fields"),
    pytest.param({"a": Inner}, {"a": dict[str, str]}, "a", "an object of any keys", BOTH, id="fields become keys"),
    pytest.param({"a": Literal["x"]}, {"a": Literal["y"]}, "a", 'can now be "y"', OLD_READERS, id="another const"),
    pytest.param(
        {"a": Literal["x"]}, {"a": Literal["x", "y"]}, "a", 'can now be "y"', OLD_READERS, id="a value beside a const"
    ),
    pytest.param(
        {"a": Literal["x", "y"]}, {"a": Literal["x"]}, "a", 'can no longer be "y"', OLD_BYTES, id="a value less"
    ),
    pytest.param({"a": str}, {"a": Literal["x"]}, "a", 'is limited to "x"', OLD_BYTES, id="an enum"),
    pytest.param({"a": Literal["x"]}, {"a": str}, "a", 'no longer limited to "x"', OLD_READERS, id="no enum"),
    pytest.param(
        {"a": int}, {"a": Annotated[int, AfterValidator(even)]}, "a", 'x-validators ["even"]', BOTH, id="a validator"
    ),
    pytest.param(
        {"a": Annotated[int | None, AfterValidator(even)]},
        {"a": Annotated[int | None, AfterValidator(odd)]},
        "a",
        'x-validators ["odd"]',
        BOTH,
        id="a validator of a nullable field",
    ),
    pytest.param({"a": Inner}, {"a": InnerOther}, "a.word", "is integer", BOTH, id="a field of a field"),
    pytest.param({"a": Inner | None}, {"a": InnerOther | None}, "a.word", "is integer", BOTH, id="of a nullable field"),
    pytest.param({"a": list[Inner]}, {"a": list[InnerOther]}, "a[].word", "is integer", BOTH, id="of an item"),
    pytest.param(
        {"a": dict[str, list[Inner]]}, {"a": dict[str, list[InnerOther]]}, "a.*[].word", "is integer", BOTH, id="deep"
    ),
]


@pytest.mark.parametrize(("old", "new", "path", "rule", "broken"), REFUSED)
def test_what_would_break_somebody_is_refused_in_a_sentence(
    old: dict[str, Any], new: dict[str, Any], path: str, rule: str, broken: Broken
) -> None:
    breaches = check(schema_of(**old), schema_of(**new))

    [breach] = [breach for breach in breaches if breach.path == path and rule in breach.rule]
    assert breach.broken is broken
    sentence = str(breach)
    assert sentence.startswith(f"thing.v1: field `{path}` {breach.rule}, which breaks {broken.value}.")
    assert "publish thing.v2 beside it" in sentence


def test_a_renamed_field_is_both_missing_and_new() -> None:
    breaches = check(schema_of(a=str), schema_of(b=str))

    assert [(breach.path, breach.broken) for breach in breaches] == [("a", OLD_READERS), ("b", OLD_BYTES)]


def test_every_breach_is_named() -> None:
    breaches = check(schema_of(a=str, b=Inner, c=int), schema_of(a=int, b=InnerOther))

    assert [breach.path for breach in breaches] == ["a", "b.word", "c"]


def test_true_is_not_one() -> None:
    old, new = schema_of(a=Literal[1, "x"]), schema_of(a=Literal[1, "x"])
    new["properties"]["a"]["enum"][0] = True

    assert [breach.path for breach in check(old, new)] == ["a", "a"]


def test_the_way_out_is_the_next_version() -> None:
    assert next_version("user.registered.v9") == "user.registered.v10"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("oneOf", [{"type": "string"}]),
        ("allOf", [{"type": "string"}]),
        ("not", {"type": "string"}),
        ("patternProperties", {"^x": {"type": "string"}}),
        ("prefixItems", [{"type": "string"}]),
        ("unevaluatedProperties", False),
        ("dependentRequired", {"a": ["b"]}),
        ("if", {"type": "string"}),
        ("contains", {"type": "string"}),
        ("madeUp", 1),
    ],
)
@pytest.mark.parametrize("wrap", ["", "properties", "items", "anyOf", "$defs"])
def test_a_keyword_that_the_gate_does_not_know_is_an_error_wherever_it_stands(
    keyword: str, value: Any, wrap: str
) -> None:
    unknown: Schema = {keyword: value}
    wrapped: dict[str, Schema] = {
        "": unknown,
        "properties": {"type": "object", "properties": {"a": unknown}},
        "items": {"type": "array", "items": unknown},
        "anyOf": {"anyOf": [unknown, {"type": "null"}]},
        "$defs": {"$defs": {"A": unknown}, "$ref": "#/$defs/A"},
    }
    odd: Schema = {"title": "thing.v1", **wrapped[wrap]}
    plain: Schema = {"title": "thing.v1", "type": "object", "properties": {}}

    for old, new in [(odd, odd), (odd, plain), (plain, odd)]:
        with pytest.raises(UnknownKeyword, match=rf"thing\.v1: the gate does not know .*'{keyword}'"):
            check(old, new)


@pytest.mark.parametrize(
    "closed",
    [
        {"type": "object", "additionalProperties": False},
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        {"type": "array", "items": False},
    ],
)
def test_fields_and_keys_are_not_mixed_and_nothing_is_closed(closed: Schema) -> None:
    with pytest.raises(UnknownKeyword):
        expand(closed)


def test_a_model_within_itself_is_an_error() -> None:
    recursive = schema(Contracted("tree.v1", Kind.INTERNAL_HTTP, Tree), 1)

    with pytest.raises(UnknownKeyword, match=r"tree\.v1: .*within itself"):
        check(recursive, recursive)
