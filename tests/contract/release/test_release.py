"""The released folder: it grows, nothing in it ever changes, and what today's code says is what is committed."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar
from uuid import UUID

import pytest
from pydantic import AfterValidator, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from contract_release import asyncapi, openapi, release, topology
from contract_release.release import FOLDER, REPOSITORY, Released, additions, faults
from contracts.fields import Contract, Timestamp
from contracts.messages import UserEvent
from contracts.registry import REGISTRY, Contracted, Kind
from contracts.routing import Service


class Note(Contract):
    id: UUID
    title: str
    at: Timestamp


class LongerNote(Note):
    pinned: bool = False


class ShorterNote(Contract):
    id: UUID
    at: Timestamp


def note(model: type[Contract] = Note, name: str = "http.note.v1") -> Contracted:
    return Contracted(name, Kind.INTERNAL_HTTP, model)


def publish(folder: Path, *registry: Contracted) -> list[str]:
    """What `make contracts` does with the folder. The paths of what is new."""
    assert refused(folder, *registry) == []
    return publish_unchecked(folder, *registry)


def publish_unchecked(folder: Path, *registry: Contracted) -> list[str]:
    released = Released.load(folder)
    new = additions(released, registry)
    for path, content in new.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "index.json").write_text(release.index_text(released, new))
    return sorted(new)


def refused(folder: Path, *registry: Contracted) -> list[str]:
    return faults(Released.load(folder), registry)


# --- what is committed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [release, topology, openapi, asyncapi], ids=lambda module: module.__name__)
def test_what_is_committed_is_what_the_code_says(module: ModuleType) -> None:
    for path, text in module.artefacts().items():
        file = REPOSITORY / path
        assert file.is_file(), f"{path} is missing: run `make contracts`"
        assert file.read_bytes() == text.encode(), f"{path} is not what the code says: run `make contracts`"


def test_every_registered_model_is_released() -> None:
    released = Released.load(REPOSITORY / FOLDER)

    assert released.revisions.keys() - released.retired.keys() == {contracted.name for contracted in REGISTRY}


# --- growing --------------------------------------------------------------------------------------------------------


def test_a_new_name_gets_revision_1_with_its_schema_and_its_samples(tmp_path: Path) -> None:
    assert publish(tmp_path, note()) == [
        "http.note.v1/1/samples/full.json",
        "http.note.v1/1/samples/minimal.json",
        "http.note.v1/1/schema.json",
    ]
    assert json.loads((tmp_path / "http.note.v1/1/schema.json").read_bytes())["$id"] == "urn:parley:http.note.v1:1"


def test_a_model_that_is_as_it_was_gets_no_new_revision(tmp_path: Path) -> None:
    publish(tmp_path, note())

    assert publish(tmp_path, note()) == []


def test_an_allowed_change_gets_the_next_revision_beside_the_last(tmp_path: Path) -> None:
    publish(tmp_path, note())
    before = Released.load(tmp_path)

    new = publish(tmp_path, note(LongerNote))

    after = Released.load(tmp_path)
    assert set(new) >= {"http.note.v1/2/schema.json", "http.note.v1/2/samples/pinned-false.json"}
    assert all(path.startswith("http.note.v1/2/") for path in new)
    assert before.files.items() <= after.files.items()
    assert before.index.items() <= after.index.items()
    assert publish(tmp_path, note(LongerNote)) == []


def test_a_change_is_held_to_every_revision_not_only_to_the_newest(tmp_path: Path) -> None:
    publish(tmp_path, note())
    publish_unchecked(tmp_path, note(ShorterNote))

    [sentence] = refused(tmp_path, note(ShorterNote))

    assert "http.note.v1: field `title` has been removed" in sentence


def test_a_field_of_a_later_revision_stays_as_well(tmp_path: Path) -> None:
    publish(tmp_path, note())
    publish(tmp_path, note(LongerNote))

    [sentence] = refused(tmp_path, note())

    assert "http.note.v1: field `pinned` has been removed" in sentence


def test_a_tenth_revision_comes_after_the_ninth(tmp_path: Path) -> None:
    model: type[Contract] = Note
    for number in range(2, 12):
        publish(tmp_path, note(model))
        model = type(f"Note{number}", (model,), {"__annotations__": {f"more_{number}": bool}, f"more_{number}": False})

    assert {path.split("/")[1] for path in publish(tmp_path, note(model))} == {"11"}


def test_another_form_of_the_bytes_that_says_the_same_is_a_new_revision(tmp_path: Path) -> None:
    class Reordered(Contract):
        at: Timestamp
        title: str
        id: UUID

    publish(tmp_path, note())

    assert "http.note.v1/2/samples/full.json" in publish(tmp_path, note(Reordered))


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_breaking_change_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, note())

    [sentence] = refused(tmp_path, note(ShorterNote))

    assert sentence == (
        "http.note.v1: field `title` has been removed or renamed, which breaks readers already running. Leave "
        "http.note.v1 as it was released and publish http.note.v2 beside it until no reader needs the old one "
        "(contracts/README.md)."
    )


def test_the_new_version_beside_the_old_one_is_the_way_out(tmp_path: Path) -> None:
    publish(tmp_path, note())

    assert publish(tmp_path, note(), note(ShorterNote, "http.note.v2"))


def test_a_schema_that_the_gate_can_not_judge_is_refused_before_its_first_release(tmp_path: Path) -> None:
    class Pair(Contract):
        both: tuple[int, str]

    [sentence] = refused(tmp_path, note(Pair))

    assert "http.note.v1: the gate does not know" in sentence


def other_form(moment: datetime) -> str:
    return moment.isoformat()


def test_a_value_that_is_written_in_another_form_is_refused_though_the_schema_is_the_same(tmp_path: Path) -> None:
    class OtherTime(Note):
        at: Annotated[Timestamp, PlainSerializer(other_form)]

    publish(tmp_path, note())

    sentences = refused(tmp_path, note(OtherTime))

    assert any("samples/full.json, read and written again, has another `at`" in sentence for sentence in sentences)


class Labelled(Note):
    label: str | None


class WithoutNulls(Labelled):
    @model_serializer(mode="wrap")
    def leave_out(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None}


def test_a_null_that_is_no_longer_written_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, note(Labelled))

    [sentence] = refused(tmp_path, note(WithoutNulls))

    assert "samples/minimal.json, read and written again, has another `label`" in sentence


def never(value: str) -> str:
    raise ValueError("never")


def always(value: str) -> str:
    return value


def test_a_validator_that_refuses_a_released_sample_is_refused(tmp_path: Path) -> None:
    class Before(Note):
        title: Annotated[str, AfterValidator(always)]

    class After(Note):
        title: Annotated[str, AfterValidator(never)]

    never.__name__ = always.__name__
    publish(tmp_path, note(Before))

    sentences = refused(tmp_path, note(After))

    assert len(sentences) == 2
    assert all("can't be read any more" in sentence and "never" in sentence for sentence in sentences)


def test_a_message_that_comes_from_elsewhere_is_refused(tmp_path: Path) -> None:
    class Before(UserEvent):
        type: ClassVar[str] = "user.noticed.v1"
        user_id: UUID

    class After(Before):
        producer: ClassVar[Service] = Service.CHAT_SERVICE

    publish(tmp_path, Contracted("user.noticed.v1", Kind.MESSAGE, Before))

    sentences = refused(tmp_path, Contracted("user.noticed.v1", Kind.MESSAGE, After))

    assert any("has another `source`" in sentence for sentence in sentences)


# --- the folder -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["schema.json", "samples/full.json"])
def test_a_released_file_that_is_edited_is_named(tmp_path: Path, file: str) -> None:
    publish(tmp_path, note())
    path = tmp_path / "http.note.v1/1" / file
    path.write_bytes(path.read_bytes() + b"\n")

    [sentence] = refused(tmp_path, note())

    assert f"http.note.v1/1/{file} has been released and edited since" in sentence


def test_a_released_file_that_is_gone_is_named(tmp_path: Path) -> None:
    publish(tmp_path, note())
    (tmp_path / "http.note.v1/1/samples/full.json").unlink()

    [sentence] = refused(tmp_path, note())

    assert "http.note.v1/1/samples/full.json has been released and is gone" in sentence


@pytest.mark.parametrize("path", ["http.note.v1/1/samples/more.json", "http.note.v1/2/schema.json", "stray"])
def test_a_file_that_was_never_released_is_named(tmp_path: Path, path: str) -> None:
    publish(tmp_path, note())
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("{}")

    [sentence] = refused(tmp_path, note())

    assert f"{path} has not been released" in sentence


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The folder in a branch, with one release on main."""
    folder = tmp_path / "released"
    folder.mkdir()
    publish(folder, note())
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message=Release")
    git(tmp_path, "checkout", "-b", "work")
    return folder


def test_what_is_on_main_can_not_be_unsaid_by_editing_the_index_as_well(released: Path) -> None:
    for path in [*released.glob("http.note.v1/1/**/*.json"), released / "index.json"]:
        path.unlink()

    sentences = refused(released, note())

    assert len(sentences) == 3
    assert all("is released on main" in sentence for sentence in sentences)


@pytest.mark.parametrize("committed", [True, False])
def test_a_revision_that_is_not_on_main_yet_may_be_made_again(released: Path, committed: bool) -> None:
    publish(released, note(LongerNote))
    if committed:
        git(released, "add", ".")
        git(released, "commit", "--message=A first try")

    shutil.rmtree(released)
    git(released.parent, "checkout", "main", "--", "released")

    assert publish(released, note()) == []


# --- going away -----------------------------------------------------------------------------------------------------


def retire(folder: Path, **reasons: str) -> None:
    (folder / "retired.json").write_text(json.dumps({f"http.{name}.v1": reason for name, reason in reasons.items()}))


def names(*sentences: str) -> list[str]:
    return [sentence.split()[0] for sentence in sentences]


def test_a_released_name_that_vanishes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    publish(tmp_path, note())

    [sentence] = refused(tmp_path)

    assert sentence.startswith("http.note.v1 has been released and is not in the registry")
    assert "retired.json" in sentence


def test_a_renamed_type_is_a_type_that_vanishes(tmp_path: Path) -> None:
    publish(tmp_path, note())

    assert names(*refused(tmp_path, note(name="http.remark.v1"))) == ["http.note.v1"]


def test_a_name_may_be_retired_with_a_reason_and_what_was_released_stays(tmp_path: Path) -> None:
    publish(tmp_path, note())
    before = Released.load(tmp_path).files
    retire(tmp_path, note="Since 2026-12-01 nobody writes or reads it: http.note.v2 has taken its place.")

    assert refused(tmp_path) == []
    assert publish(tmp_path) == []
    assert Released.load(tmp_path).files == before


@pytest.mark.parametrize(
    ("reasons", "registry", "expected"),
    [
        ({"note": " "}, [], "without a reason"),
        ({"note": "Unused."}, [note()], "never means anything else: call the new one http.note.v2"),
        ({"note": "Unused.", "other": "Unused."}, [], "http.other.v1 was never released"),
    ],
)
def test_a_name_is_retired_for_a_reason_and_for_ever(
    tmp_path: Path, reasons: dict[str, str], registry: Sequence[Contracted], expected: str
) -> None:
    publish(tmp_path, note())
    retire(tmp_path, **reasons)

    [sentence] = refused(tmp_path, *registry)

    assert expected in sentence


class Unsampled(Contract):
    code: str = Field(pattern="^[0-9]{6}$")


def test_a_model_of_which_no_sample_can_be_made_up_says_what_is_missing(tmp_path: Path) -> None:
    [sentence] = refused(tmp_path, note(Unsampled))

    assert "http.note.v1" in sentence
    assert "code" in sentence
    assert "contract_release/samples.py" in sentence
