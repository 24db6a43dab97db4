"""`contracts/released`: what every model meant each time it was released, for ever, and today's models held to it.

A model's folder has a folder per revision, with its schema and its samples. `index.json` has the SHA-256 of each file,
`retired.json` the names that are no longer in the registry, with the reason.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

from contract_release.compatibility import UnknownKeyword, check, next_version
from contract_release.samples import Unmakeable, Unreadable, rewritten, samples
from contract_release.schemas import schema, schema_text
from contracts.registry import REGISTRY, Contracted

REPOSITORY = Path(__file__).parents[1]
FOLDER = "contracts/released"

_INDEX = "index.json"
_RETIRED = "retired.json"
_SCHEMA = "schema.json"
_ABSENT = object()

Index = dict[str, str]
Revisions = dict[int, dict[str, bytes]]
"""The files of each revision of one name."""


class Refused(Exception):
    """Today's models can't be released. One sentence per fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class Released:
    """All that the folder holds, by path below it, and the index that the main branch has, as far as that is known."""

    files: dict[str, bytes]
    index: Index
    retired: dict[str, str]
    merged: Index

    @classmethod
    def load(cls, folder: Path) -> Self:
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        files = {name: path.read_bytes() for name, path in paths.items()}
        index = json.loads(files.pop(_INDEX, b"{}"))
        retired = json.loads(files.pop(_RETIRED, b"{}"))
        merged = json.loads(on_main(folder / _INDEX) or b"{}")
        return cls(files, index, retired, merged)

    @cached_property
    def revisions(self) -> dict[str, Revisions]:
        """By name."""
        revisions: dict[str, Revisions] = {}
        for path in self.index:
            name, revision, file = path.split("/", 2)
            revisions.setdefault(name, {}).setdefault(int(revision), {})[file] = self.files[path]
        return revisions


def artefacts() -> dict[str, str]:
    """The folder's index, and the files that are still to be released. Raises Refused."""
    released = Released.load(REPOSITORY / FOLDER)
    if found := faults(released, REGISTRY):
        raise Refused(found)
    new = additions(released, REGISTRY)
    files = {path: content.decode() for path, content in new.items()}
    return {f"{FOLDER}/{path}": text for path, text in {**files, _INDEX: index_text(released, new)}.items()}


def faults(released: Released, registry: Sequence[Contracted]) -> list[str]:
    """Why today's models can't be released; empty if they can."""
    if edited := list(_edited(released)):
        return edited
    broken = [_broken(contracted, released.revisions.get(contracted.name, {})) for contracted in registry]
    return [*_vanished(released, registry), *chain.from_iterable(broken)]


def additions(released: Released, registry: Sequence[Contracted]) -> dict[str, bytes]:
    """The next revision of every model that is not as it was last released, or has not been released yet."""
    new: dict[str, bytes] = {}
    for contracted in registry:
        revisions = released.revisions.get(contracted.name, {})
        newest = max(revisions, default=0)
        if revisions.get(newest) != _files(contracted, newest):
            files = _files(contracted, newest + 1)
            new |= {f"{contracted.name}/{newest + 1}/{file}": content for file, content in files.items()}
    return new


def index_text(released: Released, new: dict[str, bytes]) -> str:
    index = released.index | {path: _digest(content) for path, content in new.items()}
    return json.dumps(index, indent=2, sort_keys=True) + "\n"


def _files(contracted: Contracted, revision: int) -> dict[str, bytes]:
    bodies = {f"samples/{label}.json": body for label, body in samples(contracted).items()}
    return {_SCHEMA: schema_text(contracted, revision).encode(), **bodies}


def _edited(released: Released) -> Iterator[str]:
    for path, digest in released.merged.items():
        if released.index.get(path) != digest:
            yield f"{FOLDER}/{path} is released on main, and {_INDEX} no longer says so: git checkout main -- {FOLDER}"
    for path, digest in released.index.items():
        if path not in released.files:
            yield f"{FOLDER}/{path} has been released and is gone: put it back with git checkout -- {FOLDER}"
        elif _digest(released.files[path]) != digest:
            yield f"{FOLDER}/{path} has been released and edited since: put it back with git checkout -- {FOLDER}"
    for path in sorted(released.files.keys() - released.index.keys()):
        yield f"{FOLDER}/{path} has not been released: remove it, only `make contracts` adds files there"


def _vanished(released: Released, registry: Sequence[Contracted]) -> Iterator[str]:
    names = {contracted.name for contracted in registry}
    for name in sorted(released.revisions.keys() - names - released.retired.keys()):
        yield (
            f"{name} has been released and is not in the registry: services already running, queues and dead letters "
            f"may still have it. Put it back. Once nobody can have it any more, retire it: give the reason in "
            f"{FOLDER}/{_RETIRED} (contracts/README.md)."
        )
    for name, reason in released.retired.items():
        if name in names:
            yield f"{name} is retired and never means anything else: call the new one {next_version(name)}."
        if name not in released.revisions:
            yield f"{name} was never released, so it can't be retired in {FOLDER}/{_RETIRED}."
        if not reason.strip():
            yield f"{name} is retired without a reason in {FOLDER}/{_RETIRED}."


def _broken(contracted: Contracted, revisions: Revisions) -> list[str]:
    today = schema(contracted, max(revisions, default=0) + 1)
    try:
        breaches = [breach for files in revisions.values() for breach in check(json.loads(files[_SCHEMA]), today)]
        found = list(dict.fromkeys(map(str, breaches))) or list(_misread(contracted, revisions))
        if not found:
            samples(contracted)
    except (UnknownKeyword, Unmakeable) as error:
        return [str(error)]
    return found


def _misread(contracted: Contracted, revisions: Revisions) -> Iterator[str]:
    """What the schemas do not tell: validators, formats, and the envelope."""
    for revision, files in revisions.items():
        for file, body in files.items():
            if file == _SCHEMA:
                continue
            sample = f"{contracted.name}: the released sample {contracted.name}/{revision}/{file}"
            way_out = f"Publish {next_version(contracted.name)} beside it (contracts/README.md)."
            try:
                again = rewritten(contracted, body)
            except Unreadable as error:
                yield f"{sample} can't be read any more ({error}), which breaks bytes already written. {way_out}"
                continue
            for path in _differences(json.loads(body), json.loads(again), ""):
                yield f"{sample}, read and written again, has another `{path}`, which breaks its readers. {way_out}"


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """Where the new value does not say what the old one does; it may say more."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            yield from _differences(value, new.get(key, _ABSENT), f"{path}.{key}".removeprefix("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{path}[{number}]")
    elif old != new or type(old) is not type(new):
        yield path


def on_main(file: Path) -> bytes:
    """What the main branch has there; nothing if it has no such file, or that isn't known. It can't be unsaid, even by
    somebody who edits what is committed."""
    for branch in ("origin/main", "main"):
        command = ["git", "-C", str(file.parent), "show", f"{branch}:./{file.name}"]
        with suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603
    return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
