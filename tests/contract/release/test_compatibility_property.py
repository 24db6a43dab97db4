"""Whatever the gate lets pass, nobody breaks on: random schemas, random edits, and jsonschema-rs as the judge."""

import copy
from collections.abc import Callable
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contract_release.compatibility import Schema, check

NAMES = st.sampled_from("abcd")
SMALL = st.integers(0, 3)
SCALARS: st.SearchStrategy[Schema] = st.one_of(
    st.builds(lambda: {"type": "boolean"}),
    st.builds(lambda: {"type": "string", "format": "uuid"}),
    st.builds(lambda: {"type": "string", "pattern": "^[0-9a-f]{4}$"}),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size}, *[st.integers(0, 3)] * 2
    ),
    st.builds(lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size}, SMALL, SMALL),
    st.builds(lambda values: {"type": "string", "enum": values}, st.lists(NAMES, min_size=1, unique=True)),
    st.builds(lambda value: {"type": "string", "const": value}, NAMES),
)


def records(fields: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def record(draw: st.DrawFn) -> Schema:
        properties = draw(st.dictionaries(NAMES, fields, max_size=3))
        required = [name for name in properties if draw(st.booleans())]
        return {"type": "object", "properties": properties, "required": required}

    return record()


def containers(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        records(inner),
        st.builds(lambda item, most: {"type": "array", "items": item, "maxItems": most}, inner, SMALL),
        st.builds(lambda value: {"type": "object", "additionalProperties": value}, inner),
        st.builds(lambda option: {"anyOf": [option, {"type": "null"}]}, inner),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    )


SCHEMAS = records(st.recursive(SCALARS, containers, max_leaves=3))


@st.composite
def edited(draw: st.DrawFn, old: Schema) -> Schema:
    """The schema after one or two edits, anywhere in it, of the kinds that people make."""
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places(new)))
        draw(st.sampled_from(edits(place)))(draw, place)
    return new


def edits(place: Schema) -> list[Callable[[st.DrawFn, Schema], None]]:
    if "properties" in place:
        return [add, drop, require] if place["properties"] else [add]
    if "enum" in place:
        return [choose, replace]
    return [bound, replace, wrap] if bounds(place) else [replace, wrap]


def add(draw: st.DrawFn, place: Schema) -> None:
    place["properties"].setdefault(draw(st.sampled_from("efgh")), draw(SCALARS))


def drop(draw: st.DrawFn, place: Schema) -> None:
    name = draw(st.sampled_from(sorted(place["properties"])))
    del place["properties"][name]
    place["required"] = [other for other in place["required"] if other != name]


def require(draw: st.DrawFn, place: Schema) -> None:
    place["required"] = sorted({draw(st.sampled_from(sorted(place["properties"])))} ^ set(place["required"]))


def choose(draw: st.DrawFn, place: Schema) -> None:
    place["enum"] = sorted({draw(NAMES)} ^ set(place["enum"])) or ["e"]


def bound(draw: st.DrawFn, place: Schema) -> None:
    keyword = draw(st.sampled_from(bounds(place)))
    place[keyword] = max(0, place[keyword] + draw(st.sampled_from([-2, -1, 1, 2])))


def replace(draw: st.DrawFn, place: Schema) -> None:
    other = draw(SCALARS)
    place.clear()
    place.update(other)


def wrap(_: st.DrawFn, place: Schema) -> None:
    inner = dict(place)
    place.clear()
    place.update({"anyOf": [inner, {"type": "null"}]})


def bounds(schema: Schema) -> list[str]:
    return sorted(keyword for keyword in schema if keyword.startswith(("min", "max")))


def places(schema: Schema) -> list[Schema]:
    nested = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    nested += [schema[keyword] for keyword in ("items", "additionalProperties") if keyword in schema]
    return [schema, *(place for inner in nested for place in places(inner))]


def written(schema: Schema) -> st.SearchStrategy[Any]:
    """What a writer with this schema may send: it writes only what is declared."""
    if "anyOf" in schema:
        return st.one_of(*map(written, schema["anyOf"]))
    if "properties" in schema:
        required = {name: written(schema["properties"][name]) for name in schema["required"]}
        optional = {name: written(field) for name, field in schema["properties"].items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if "additionalProperties" in schema:
        return st.dictionaries(NAMES, written(schema["additionalProperties"]), max_size=2)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    limits = {keyword[:3]: schema[keyword] for keyword in bounds(schema)}
    match schema["type"], schema.get("format"), schema.get("pattern"):
        case "null", _, _:
            return st.none()
        case "boolean", _, _:
            return st.booleans()
        case "integer", _, _:
            return st.integers(limits["min"], limits["max"])
        case "array", _, _:
            return st.lists(written(schema["items"]), max_size=limits["max"])
        case "string", "uuid", _:
            return st.uuids().map(str)
        case "string", _, str() as pattern:
            return st.from_regex(pattern, fullmatch=True)
    return st.text("xyz", min_size=limits["min"], max_size=limits["max"])


def satisfiable(schema: Schema) -> bool:
    return all(
        place[low] <= place[high]
        for place in places(schema)
        for low, high in [("minimum", "maximum"), ("minLength", "maxLength")]
        if low in place
    )


@settings(max_examples=200, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_what_passes_is_understood_by_old_readers_and_new(data: st.DataObject) -> None:
    one = data.draw(SCHEMAS)
    other = data.draw(edited(one))
    old, new = data.draw(st.permutations([one, other]))
    assume(satisfiable(other) and not check(old, new))
    for writer, reader in [(old, new), (new, old)]:
        validator = jsonschema_rs.validator_for(reader, validate_formats=True)
        for value in data.draw(st.lists(written(writer), min_size=3, max_size=3)):
            validator.validate(value)


@given(st.data())
def test_what_a_writer_may_send_is_what_its_own_schema_says(data: st.DataObject) -> None:
    """So that the property above is about the gate, not about how its values are made."""
    own = data.draw(SCHEMAS)

    jsonschema_rs.validator_for(own, validate_formats=True).validate(data.draw(written(own)))
