import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from contract_release.compatibility import Schema, expand
from contract_release.release import FOLDER, REPOSITORY, Released
from contract_release.samples import Unreadable, content_type, data, rewritten, samples
from contract_release.schemas import schema
from contracts.entries import ENTRIES
from contracts.envelope import BATCH, Reader, encode
from contracts.messages import PAYLOADS
from contracts.registry import REGISTRY, Contracted, Kind

RELEASED = Released.load(REPOSITORY / FOLDER)
BY_NAME = {contracted.name: contracted for contracted in REGISTRY}
REVISIONS = [
    pytest.param(BY_NAME[name], files, id=f"{name}/{revision}")
    for name, revisions in RELEASED.revisions.items()
    for revision, files in revisions.items()
    if name in BY_NAME
]

every_contracted = pytest.mark.parametrize("contracted", REGISTRY, ids=lambda contracted: contracted.name)
every_revision = pytest.mark.parametrize(("contracted", "files"), REVISIONS)


def bodies_of(files: dict[str, bytes]) -> dict[str, bytes]:
    return {file: body for file, body in files.items() if file.startswith("samples/")}


@every_revision
def test_released_samples_are_valid_by_the_schema_of_their_revision(
    contracted: Contracted, files: dict[str, bytes]
) -> None:
    validator = jsonschema_rs.validator_for(json.loads(files["schema.json"]), validate_formats=True)
    bodies = bodies_of(files)

    assert bodies
    for body in bodies.values():
        for value in data(contracted, body):
            validator.validate(value)


@every_revision
def test_released_samples_are_read_by_todays_readers_to_the_same_values(
    contracted: Contracted, files: dict[str, bytes]
) -> None:
    for file, body in bodies_of(files).items():
        assert says(json.loads(rewritten(contracted, body)), json.loads(body)), file


@every_revision
def test_unknown_fields_in_a_released_sample_are_passed_over(contracted: Contracted, files: dict[str, bytes]) -> None:
    for file, body in bodies_of(files).items():
        value = json.loads(body)
        for event in value if isinstance(value, list) else [value]:
            event["from_the_future"] = {"deep": [1]}
            if contracted.kind is Kind.MESSAGE:
                event["data"]["from_the_future"] = True

        assert b"from_the_future" not in rewritten(contracted, json.dumps(value).encode()), file


def says(value: Any, expected: Any) -> bool:
    """Whether a value says all that is expected; it may have more fields."""
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(key in value and says(value[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(value) == len(expected) and all(map(says, value, expected))
    return bool(value == expected)


@every_contracted
def test_samples_cover_every_field_with_a_value_and_every_optional_field_without(contracted: Contracted) -> None:
    values = [value for body in samples(contracted).values() for value in data(contracted, body)]
    fields = expand(schema(contracted, 1))["properties"]

    for name, field in fields.items():
        said = [value.get(name) for value in values]
        nullable = {"type": "null"} in field.get("anyOf", [])
        assert any(value is not None for value in said), name
        assert not nullable or None in said, name


@every_contracted
def test_samples_cover_every_value_of_every_enum_at_any_depth(contracted: Contracted) -> None:
    expanded = expand(schema(contracted, 1))
    values = [value for body in samples(contracted).values() for value in data(contracted, body)]
    said = {(path, value) for body in values for path, value in choices_made(expanded, body, "")}

    assert set(choices(expanded, "")) <= said


def choices(schema: Schema, path: str) -> Iterator[tuple[str, Any]]:
    for value in schema.get("enum", [True, False] if schema.get("type") == "boolean" else []):
        yield path, value
    for option in schema.get("anyOf", []):
        yield from choices(option, path)
    for name, field in schema.get("properties", {}).items():
        yield from choices(field, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from choices(schema[keyword], f"{path}.{keyword}")


def choices_made(schema: Schema, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if "enum" in schema or schema.get("type") == "boolean":
        yield path, value
    for option in schema.get("anyOf", []):
        if value is not None:
            yield from choices_made(option, value, path)
    for name, field in schema.get("properties", {}).items():
        if name in value:
            yield from choices_made(field, value[name], f"{path}.{name}")
    for item in value if "items" in schema else []:
        yield from choices_made(schema["items"], item, f"{path}.items")
    for item in value.values() if "additionalProperties" in schema else []:
        yield from choices_made(schema["additionalProperties"], item, f"{path}.additionalProperties")


@pytest.mark.parametrize("name", ["room.entry.v1", "server.event.v1"])
def test_there_is_a_sample_of_every_kind_of_entry_with_the_data_of_that_kind(name: str) -> None:
    contracted = BY_NAME[name]
    values = [value for body in samples(contracted).values() for value in data(contracted, body)]

    for entry in ENTRIES:
        [*said] = [value["data"] for value in values if value["kind"] == entry.kind]
        assert said
        for written in said:
            entry.model_validate(written)


def test_a_batch_of_every_type_is_the_released_events_side_by_side() -> None:
    singles = [bodies_of(RELEASED.revisions[payload.type][1])["samples/full.json"] for payload in PAYLOADS]
    batch = b"[" + b",".join(singles) + b"]"

    envelopes, faults = Reader(*PAYLOADS).read(batch, BATCH)

    assert faults == []
    assert [envelope.payload.type for envelope in envelopes] == [payload.type for payload in PAYLOADS]
    assert says(json.loads(encode(envelopes)[0]), json.loads(batch))


def test_the_batch_of_a_type_holds_its_full_and_its_minimal_event() -> None:
    for contracted in REGISTRY:
        if contracted.kind is Kind.MESSAGE:
            made = samples(contracted)
            assert content_type(made["batch"]) == BATCH
            assert made["batch"] == b"[" + made["full"] + b"," + made["minimal"] + b"]"


def test_every_event_of_the_samples_has_an_id_of_its_own() -> None:
    messages = [samples(contracted) for contracted in REGISTRY if contracted.kind is Kind.MESSAGE]
    ids = [json.loads(body)["id"] for made in messages for label, body in made.items() if label != "batch"]

    assert len(ids) == len(set(ids)) > len(PAYLOADS)


@pytest.mark.parametrize("name", ["user.registered.v1", "client.send.v1", "server.welcome.v1", "http.user_view.v1"])
def test_what_is_not_of_the_model_can_not_be_read(name: str) -> None:
    with pytest.raises(Unreadable):
        rewritten(BY_NAME[name], b'{"type": "other"}')
