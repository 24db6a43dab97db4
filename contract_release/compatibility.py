"""What a change of a model would break, read off two JSON Schemas of it: a released one and today's.

Every change must hold both ways, old readers with new bytes and new readers with old bytes, for a service that is
running knows nothing of the change, and queues, outboxes and dead letters hold bytes from before it. Readers pass over
fields that they do not know, writers write only what is declared. So one change is free: a new optional field.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contract_release.schemas import PROSE, VALIDATORS

Schema = dict[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("format", "pattern", "multipleOf", "uniqueItems", VALIDATORS)
_NESTED = {"items": "[]", "additionalProperties": ".*", "propertyNames": ".(key)"}
_PLAIN = {"type", "enum", "default", "required", *_LOWER, *_UPPER, *_EXACT}
_UNJUDGED = {"$schema", "$id", "$defs", *PROSE}


class Broken(StrEnum):
    OLD_READERS = "readers already running"
    OLD_BYTES = "bytes already written"
    BOTH = "readers already running and bytes already written"


@dataclass(frozen=True, slots=True)
class Breach:
    """One change of one field that somebody would not survive."""

    name: str
    path: str
    rule: str
    broken: Broken

    def __str__(self) -> str:
        field = f"field `{self.path}`" if self.path else "the body"
        return (
            f"{self.name}: {field} {self.rule}, which breaks {self.broken}. Leave {self.name} as it was released and "
            f"publish {next_version(self.name)} beside it until no reader needs the old one (contracts/README.md)."
        )


class UnknownKeyword(Exception):
    """The gate can't judge a schema, because it does not know all that the schema says."""

    def __init__(self, name: str, keyword: str) -> None:
        super().__init__(
            f"{name}: the gate does not know the JSON Schema keyword {keyword!r}. Model the field in another way, or "
            f"teach contract_release/compatibility.py what a change of it would break."
        )


def check(old: Schema, new: Schema) -> list[Breach]:
    """What is broken by going from one schema of a model to another; empty if everybody can go on."""
    name = str(new.get("title", ""))
    return [Breach(name, path, rule, broken) for path, rule, broken in _compare(expand(old), expand(new), "")]


def next_version(name: str) -> str:
    family, _, version = name.rpartition(".v")
    return f"{family}.v{int(version) + 1}"


def expand(schema: Schema) -> Schema:
    """The same schema without prose, each `$ref` replaced by what it stands for, each `const` an `enum` of one."""
    return _expand(schema, schema, ())


def _expand(schema: Schema, root: Schema, within: tuple[str, ...]) -> Schema:
    expanded: Schema = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            if value in within:
                raise UnknownKeyword(str(root.get("title", "")), f"$ref to {value} within itself")
            target = root["$defs"][value.removeprefix("#/$defs/")]
            expanded.update(_expand(target, root, (*within, value)))
        elif keyword == "const":
            expanded["enum"] = [value]
        elif keyword == "properties":
            expanded[keyword] = {name: _expand(field, root, within) for name, field in value.items()}
        elif keyword == "anyOf":
            expanded[keyword] = [_expand(option, root, within) for option in value]
        elif keyword == "additionalProperties" and value is False and "properties" in schema:
            pass  # of a writer: readers pass over what they do not know
        elif keyword in _NESTED and "properties" not in schema and value is not False:
            expanded[keyword] = {} if value is True else _expand(value, root, within)
        elif keyword in _PLAIN:
            expanded[keyword] = value
        elif keyword not in _UNJUDGED:
            raise UnknownKeyword(str(root.get("title", "")), keyword)
    return expanded


_Finding = tuple[str, str, Broken]


def _compare(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    """Of two expanded schemas."""
    if "anyOf" in old or "anyOf" in new:
        yield from _compare_forms(old, new, path)
    else:
        yield from _compare_form(old, new, path)


def _compare_forms(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    """Of which at least one has several."""
    (old_forms, old_null, old_rest), (new_forms, new_null, new_rest) = _forms(old), _forms(new)
    if new_null and not old_null:
        yield path, "may now be null", Broken.OLD_READERS
    if old_null and not new_null:
        yield path, "may no longer be null", Broken.OLD_BYTES
    if len(old_forms) != len(new_forms):
        yield path, f"has {len(new_forms)} forms instead of {len(old_forms)}", Broken.BOTH
        return
    for old_form, new_form in zip(old_forms, new_forms, strict=True):
        yield from _compare(old_form, new_form, path)
    yield from _compare_form(old_rest, new_rest, path)


def _forms(schema: Schema) -> tuple[list[Schema], bool, Schema]:
    """What a value may be, whether it may be null as well, and what is said of it in either case."""
    forms: list[Schema] = schema.get("anyOf", [schema])
    solid = [form for form in forms if form.get("type") != "null"]
    rest = {keyword: value for keyword, value in schema.items() if "anyOf" in schema and keyword != "anyOf"}
    return solid, len(solid) < len(forms), rest


def _compare_form(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    if _described(old) != _described(new):
        yield path, f"is {_described(new)} instead of {_described(old)}", Broken.BOTH
        return
    yield from _compare_values(old, new, path)
    yield from _compare_bounds(old, new, path)
    for keyword in _EXACT:
        if old.get(keyword) != new.get(keyword):
            yield path, f"has {_shown(keyword, new)} instead of {_shown(keyword, old)}", Broken.BOTH
    if "properties" in old:
        yield from _compare_fields(old, new, path)
    for keyword, suffix in _NESTED.items():
        if keyword in old or keyword in new:
            yield from _compare(old.get(keyword, {}), new.get(keyword, {}), f"{path}{suffix}".removeprefix("."))


def _compare_values(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    """Which values an enum allows."""
    if "enum" not in old and "enum" not in new:
        return
    if "enum" not in old:
        yield path, f"is limited to {_listed(new['enum'])}", Broken.OLD_BYTES
    elif "enum" not in new:
        yield path, f"is no longer limited to {_listed(old['enum'])}", Broken.OLD_READERS
    else:
        removed = [value for value in old["enum"] if _json(value) not in map(_json, new["enum"])]
        added = [value for value in new["enum"] if _json(value) not in map(_json, old["enum"])]
        if removed:
            yield path, f"can no longer be {_listed(removed)}", Broken.OLD_BYTES
        if added:
            yield path, f"can now be {_listed(added)}", Broken.OLD_READERS


def _compare_bounds(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    for keyword in (*_LOWER, *_UPPER):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        tighter = before is None or (after is not None and (after > before) == (keyword in _LOWER))
        rule = f"has {_shown(keyword, new)} instead of {_shown(keyword, old)}"
        yield path, rule, Broken.OLD_BYTES if tighter else Broken.OLD_READERS


def _compare_fields(old: Schema, new: Schema, path: str) -> Iterator[_Finding]:
    old_required, new_required = old.get("required", []), new.get("required", [])
    for name, field in old["properties"].items():
        at = f"{path}.{name}".removeprefix(".")
        if name not in new["properties"]:
            yield at, "has been removed or renamed", Broken.OLD_READERS
            continue
        changed = new["properties"][name]
        if name in new_required and name not in old_required:
            yield at, "was optional and is now required", Broken.OLD_BYTES
        elif name in old_required and name not in new_required:
            yield at, "was required and is now optional", Broken.OLD_READERS
        elif _json(field.get("default")) != _json(changed.get("default")):
            yield at, f"means {_shown('default', changed)} instead of {_shown('default', field)} if absent", Broken.BOTH
        yield from _compare(field, changed, at)
    for name in new["properties"]:
        if name not in old["properties"] and name in new_required:
            yield f"{path}.{name}".removeprefix("."), "is new and required", Broken.OLD_BYTES


def _described(schema: Schema) -> str:
    """What kind of value it is."""
    if "properties" in schema:
        return "an object of named fields"
    if schema.get("type") == "object":
        return "an object of any keys"
    return str(schema.get("type", "anything"))


def _shown(keyword: str, schema: Schema) -> str:
    return f"{keyword} {_json(schema[keyword])}" if keyword in schema else f"no {keyword}"


def _listed(values: list[Any]) -> str:
    return ", ".join(map(_json, values))


def _json(value: Any) -> str:
    """Tells true from 1, unlike `==`."""
    return json.dumps(value, sort_keys=True)
