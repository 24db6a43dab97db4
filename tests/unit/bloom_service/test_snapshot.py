"""The filter's files, through restarts, kills, refusals and damage."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bloom_service import journal
from bloom_service.generations import Change, Generations, Kind
from bloom_service.snapshot import FilterFiles

# every example writes to the disk
with_files = settings(deadline=None, max_examples=60)

CAPACITY = 20
KEY, SECOND = "a-key", "another-key"


@pytest.fixture(autouse=True, scope="module")
def small_journals() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "SIZE", 16_384)
        yield


def digest(number: int, key_id: str = KEY) -> str:
    return hashlib.sha256(f"{key_id} {number}".encode()).hexdigest()


def change(kind: Kind, number: int, *key_ids: str) -> Change:
    return Change(kind, uuid4(), {key_id: digest(number, key_id) for key_id in key_ids or (KEY, SECOND)})


def added(number: int, *key_ids: str) -> Change:
    return change(Kind.REGISTERED, number, *key_ids)


def deleted(number: int) -> Change:
    return change(Kind.DELETED, number, KEY)


class Program:
    """One run of a program that keeps a filter. To drop it without `end` is to kill it."""

    def __init__(self, folder: Path) -> None:
        self.files = FilterFiles(folder, CAPACITY, 0.001)
        self.generations = self.files.load()

    def make(self, *key_ids: str) -> None:
        """A generation of nobody under each of the keys."""
        self.generations.hear_of(key_ids)
        for key_id in key_ids:
            self.generations.swap(self.generations.begin(key_id))
        self.fold()

    def keep(self, *changes: Change) -> None:
        self.files.append(changes)
        for change in changes:
            self.generations.apply(change)

    def fold(self) -> None:
        self.files.fold(self.generations)

    def end(self) -> None:
        self.files.close()

    def knows(self, *numbers: int) -> bool:
        """Under each key that there is."""
        ready = self.generations.ready
        return bool(ready) and all(
            digest(number, key_id) in generation.filter for key_id, generation in ready.items() for number in numbers
        )


def state(generations: Generations) -> Any:
    return [
        (one.key_id, one.number, len(one.filter), one.filter.bits, one.deleted, one.last_event_id)
        for one in generations.ready.values()
    ]


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def journal_in(folder: Path) -> Path:
    (path,) = folder.glob("filter.*.journal")
    return path


ACTIONS = st.lists(
    st.one_of(
        st.integers(0, 60).map(added),
        st.integers(0, 60).map(deleted),
        st.just(None).map(lambda _: added(1, KEY)),
        st.sampled_from(["fold", "restart", "kill", "make"]),
    ),
    max_size=60,
)


@with_files
@given(ACTIONS)
def test_everything_kept_is_there_after_any_number_of_restarts_and_kills(actions: list[Change | str]) -> None:
    known: set[int] = set()
    with new_folder() as folder:
        program = Program(folder)
        for action in actions:
            match action:
                case Change():
                    program.keep(action)
                    known.update(
                        number for number in range(61) if action.kind is Kind.REGISTERED and is_of(action, number)
                    )
                case "fold":
                    program.fold()
                case "make":
                    program.make(KEY, SECOND)
                    known.clear()
                case _:
                    before = state(program.generations)
                    if action == "restart":
                        program.end()
                    program = Program(folder)
                    assert state(program.generations) == before
        program.end()

        again = Program(folder)
        assert again.knows(*known) or not again.generations.ready
        again.end()


def is_of(change: Change, number: int) -> bool:
    return change.digests[KEY] == digest(number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Generations under two keys with 1 and 2 in the snapshot, and 3 and 4 in the journal."""
    program = Program(tmp_path)
    program.make(KEY, SECOND)
    program.keep(added(1), added(2))
    program.fold()
    program.keep(added(3), deleted(1), added(4))
    program.end()
    return tmp_path


def test_has_no_generations_in_a_new_folder(tmp_path: Path) -> None:
    program = Program(tmp_path / "not" / "there" / "yet")

    assert (program.generations.ready, program.generations.number) == ({}, 0)
    program.end()


def test_is_for_its_owner_alone(folder: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_a_generation_keeps_the_size_that_it_was_made_with(folder: Path) -> None:
    files = FilterFiles(folder, 5000, 0.1)
    generations = files.load()

    filter = generations.ready[KEY].filter
    assert (filter.capacity, filter.error_rate) == (CAPACITY, 0.001)
    assert generations.begin(KEY).filter.capacity == 5000
    files.close()


def test_remembers_the_last_event_and_the_last_number(folder: Path) -> None:
    last = Change(Kind.DELETED, UUID(int=7), {KEY: digest(1)})
    program = Program(folder)
    program.keep(last)

    generations = Program(folder).generations

    assert generations.ready[KEY].last_event_id == str(UUID(int=7))
    assert generations.ready[KEY].deleted == 2
    assert (generations.number, generations.begin(KEY).number) == (2, 3)


def test_a_young_generation_is_not_kept(folder: Path) -> None:
    program = Program(folder)
    program.generations.begin("third")
    program.fold()

    assert Program(folder).generations.ready.keys() == {KEY, SECOND}


def test_one_that_was_dropped_stays_so_whether_or_not_that_was_folded(folder: Path) -> None:
    program = Program(folder)
    program.keep(added(5, KEY))
    assert program.generations.ready.keys() == {KEY}

    assert Program(folder).generations.ready.keys() == {KEY}
    assert Program(folder).generations.ready.keys() == {KEY}


# --- damage ---------------------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_is_put_aside(name: str, content: bytes, others: dict[str, bytes]) -> None:
    """A start on such files has no generations, ever again, and keeps what it found."""
    with new_folder() as folder:
        for file, whole in others.items():
            (folder / file).write_bytes(whole)
        (folder / name).write_bytes(content)

        damaged = Program(folder)
        assert damaged.generations.ready == {}
        assert (folder / f"{name}.corrupt").read_bytes() == content
        damaged.keep(added(5))
        damaged.end()
        again = Program(folder)
        assert again.generations.ready == {}
        again.end()


def test_a_snapshot_cut_short_at_any_byte_is_put_aside(folder: Path) -> None:
    files = contents(folder)
    whole = files["filter.snapshot"]

    for size in range(len(whole)):
        assert_is_put_aside("filter.snapshot", whole[:size], files)


def test_a_snapshot_with_a_flipped_bit_in_any_byte_is_put_aside(folder: Path) -> None:
    files = contents(folder)
    whole = files["filter.snapshot"]

    for place in range(len(whole)):
        assert_is_put_aside("filter.snapshot", flipped(whole, place, place % 8), files)


def test_a_journal_with_a_flipped_bit_in_any_byte_of_its_records_is_put_aside(folder: Path) -> None:
    files, name = contents(folder), journal_in(folder).name
    whole = files[name]

    for place in range(len(whole.rstrip(b"\0"))):
        assert_is_put_aside(name, flipped(whole, place, place % 8), files)


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@with_files
@given(st.data())
def test_a_journal_with_a_flipped_bit_anywhere_is_put_aside(data: st.DataObject) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.make(KEY)
        program.keep(added(1))
        program.end()
        files, name = contents(folder), journal_in(folder).name
        place, bit = data.draw(st.integers(0, len(files[name]) - 1)), data.draw(st.integers(0, 7))

        assert_is_put_aside(name, flipped(files[name], place, bit), files)


@with_files
@given(st.data())
def test_a_journal_cut_short_anywhere_is_put_aside(data: st.DataObject) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.make(KEY)
        program.keep(added(1), added(2), added(3))
        program.end()
        files, name = contents(folder), journal_in(folder).name
        records = len(files[name].rstrip(b"\0"))
        size = data.draw(st.one_of(st.integers(0, records), st.integers(records, len(files[name]) - 1)))

        assert_is_put_aside(name, files[name][:size], files)


@with_files
@given(st.data())
def test_what_a_kill_left_of_a_write_never_makes_a_wrong_no(data: st.DataObject) -> None:
    """It was not acknowledged, and comes again; but nobody can tell it from damage."""
    with new_folder() as folder:
        program = Program(folder)
        program.make(KEY)
        program.keep(added(1))
        path = journal_in(folder)
        before = path.read_bytes()
        program.keep(added(2), added(3))
        after = path.read_bytes()
        written = data.draw(st.integers(len(before.rstrip(b"\0")), len(after.rstrip(b"\0"))))
        path.write_bytes(after[:written] + before[written:])

        again = Program(folder)

        assert again.knows(1) or not again.generations.ready


@pytest.mark.parametrize("lost", ["filter.snapshot", "filter.*.journal"])
def test_half_of_its_files_is_not_taken_for_all(folder: Path, lost: str) -> None:
    (path,) = folder.glob(lost)
    path.unlink()

    assert not Program(folder).generations.ready
    assert not Program(folder).generations.ready


def test_damage_is_found_however_often_the_next_start_is_killed(folder: Path) -> None:
    """The journal is put aside before the snapshot: alone, that must still look damaged."""
    path = journal_in(folder)
    path.rename(path.with_name(f"{path.name}.corrupt"))

    assert not Program(folder).generations.ready


def test_a_snapshot_of_another_version_is_put_aside(folder: Path) -> None:
    files = contents(folder)
    body = files["filter.snapshot"][:-32]
    body = body[:8] + (1).to_bytes(2, "big") + body[10:]

    assert_is_put_aside("filter.snapshot", body + hashlib.sha256(body).digest(), files)


def test_a_snapshot_whose_bits_do_not_fit_is_put_aside(folder: Path) -> None:
    files = contents(folder)
    body = files["filter.snapshot"][:-33]

    assert_is_put_aside("filter.snapshot", body + hashlib.sha256(body).digest(), files)


def test_a_journal_of_another_time_is_not_taken_for_its_own(folder: Path) -> None:
    number = int(journal_in(folder).name.split(".")[1])
    stale = Program(folder.parent / "other")
    stale.keep(added(9))
    stale.end()
    (folder / f"filter.{number + 1}.journal").write_bytes(journal_in(folder.parent / "other").read_bytes())

    for _ in range(2):
        program = Program(folder)
        assert program.knows(1, 2, 3, 4)
        assert not program.knows(9)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_snapshot_that_cannot_be_written_costs_nothing(folder: Path) -> None:
    program = Program(folder)
    in_the_way = folder / "filter.new"
    in_the_way.mkdir()

    with pytest.raises(OSError, match=r"filter\.new"):
        program.fold()
    program.keep(added(5))

    in_the_way.rmdir()
    again = Program(folder)
    assert again.knows(1, 2, 3, 4, 5)
    assert len(list(folder.glob("filter.*.journal"))) == 1


@pytest.mark.parametrize("syncs_that_succeed", range(4))
def test_whatever_cannot_be_synced_a_change_is_kept_where_it_will_be_read_or_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, syncs_that_succeed: int
) -> None:
    """In turn: the new journal, the folder, the snapshot, and the folder once it has that."""
    program = Program(folder)
    sync, left = os.fsync, iter(range(syncs_that_succeed))

    def fail_in_the_end(file: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.EIO, "the disk is broken")
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_in_the_end)
        with pytest.raises(OSError, match="broken"):
            program.fold()

    if program.files.wants_folding:
        with pytest.raises(OSError, match="no journal"):
            program.files.append([added(5)])
        program.fold()
    program.keep(added(5))
    assert Program(folder).knows(1, 2, 3, 4, 5)


def test_a_write_that_failed_half_way_does_not_spoil_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(folder)
    program.keep(added(5))

    def write_a_part(file: int, data: bytes, offset: int, write: Any = os.pwrite) -> int:
        return int(write(file, data[:-50], offset))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write_a_part)
        with pytest.raises(OSError, match="only a part"):
            program.files.append([added(6), added(7), added(8)])
    program.keep(added(6))

    again = Program(folder)
    assert again.knows(1, 2, 3, 4, 5, 6)
    assert not again.knows(7)


def test_a_full_journal_refuses_until_it_is_folded(folder: Path) -> None:
    program = Program(folder)
    many = [added(number) for number in range(1000)]
    program.keep(*many[:20])
    assert not program.files.wants_folding
    program.keep(*many[20:40])
    assert program.files.wants_folding

    with pytest.raises(OSError, match="full"):
        program.keep(*many[40:])

    program.fold()
    assert not program.files.wants_folding
    program.keep(*many[40:60])
    assert Program(folder).knows(*range(60))
