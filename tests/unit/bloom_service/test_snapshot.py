"""The filter's files, through restarts, kills, refusals and damage."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bloom_service.bloom import EmailFilter
from bloom_service.snapshot import Change, FilterFiles, Kind

# every example writes to the disk
with_files = settings(deadline=None, max_examples=60)

CAPACITY = 20
RECORD_BYTES = 53


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def added(number: int) -> Change:
    return Change(Kind.ADDED, uuid4(), digest(number))


def deleted(number: int) -> Change:
    return Change(Kind.DELETED, uuid4(), digest(number))


def completed() -> Change:
    return Change(Kind.COMPLETED, uuid4())


class Program:
    """One run of a program that keeps a filter. To drop it without `end` is to kill it."""

    def __init__(self, folder: Path) -> None:
        self.files = FilterFiles(folder, CAPACITY, 0.001)
        self.emails = self.files.load()

    def keep(self, *changes: Change) -> None:
        self.files.append(changes)
        for change in changes:
            change.apply(self.emails)

    def fold(self) -> None:
        self.files.fold(self.emails)

    def end(self) -> None:
        self.files.close()


def state(emails: EmailFilter) -> object:
    return emails.layers(), emails.complete, emails.deleted, emails.last_event_id


@contextmanager
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def journal(folder: Path) -> Path:
    (path,) = folder.glob("filter.*.journal")
    return path


def knows(emails: EmailFilter, *numbers: int) -> bool:
    return all(digest(number) in emails for number in numbers)


ACTIONS = st.lists(
    st.one_of(
        st.integers(0, 60).map(added),
        st.integers(0, 60).map(deleted),
        st.just(None).map(lambda _: completed()),
        st.sampled_from(["fold", "restart", "kill"]),
    ),
    max_size=60,
)


@with_files
@given(ACTIONS)
def test_everything_kept_is_there_after_any_number_of_restarts_and_kills(actions: list[Change | str]) -> None:
    numbers = [number for number in range(61) if any(isinstance(a, Change) and is_added(a, number) for a in actions)]
    with new_folder() as folder:
        program = Program(folder)
        for action in actions:
            if isinstance(action, Change):
                program.keep(action)
            elif action == "fold":
                program.fold()
            else:
                before = state(program.emails)
                if action == "restart":
                    program.end()
                program = Program(folder)
                assert state(program.emails) == before
        program.end()

        assert knows(Program(folder).emails, *numbers)


def is_added(change: Change, number: int) -> bool:
    return change.kind is Kind.ADDED and change.digest == digest(number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete filter with 1 and 2 in its snapshot, and 3 and 4 in its journal."""
    program = Program(tmp_path)
    program.keep(completed(), added(1), added(2))
    program.fold()
    program.keep(added(3), added(4))
    program.end()
    return tmp_path


def test_is_empty_and_not_complete_in_a_new_folder(tmp_path: Path) -> None:
    program = Program(tmp_path / "not" / "there" / "yet")

    assert not program.emails.complete
    assert len(program.emails) == 0
    assert program.files.generation == 1


def test_is_for_its_owner_alone(folder: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_keeps_the_size_that_it_was_made_with(folder: Path) -> None:
    emails = FilterFiles(folder, 5000, 0.1).load()

    assert (emails.capacity, emails.error_rate) == (CAPACITY, 0.001)
    assert knows(emails, 1, 2, 3, 4)


@with_files
@given(st.integers(0, RECORD_BYTES - 1))
def test_what_was_being_written_when_it_was_killed_does_not_matter(size: int) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.keep(completed(), added(1))
        with journal(folder).open("ab") as file:
            file.write(b"\xa7" * size)

        again = Program(folder)
        assert again.emails.complete
        assert knows(again.emails, 1)
        again.keep(added(2))
        assert knows(Program(folder).emails, 1, 2)


@with_files
@given(st.data())
def test_a_bit_that_has_flipped_anywhere_never_makes_a_wrong_no(data: st.DataObject) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.keep(completed(), added(1), added(2))
        program.fold()
        program.keep(added(3), deleted(1), added(4))
        program.end()
        path = data.draw(st.sampled_from(sorted(folder.glob("filter.*"))))
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)

        damaged = Program(folder)

        assert not damaged.emails.complete
        assert damaged.files.generation == 2
        assert path.with_name(f"{path.name}.corrupt").read_bytes() == content
        assert_stays_incomplete(damaged, folder)


def assert_stays_incomplete(damaged: Program, folder: Path) -> None:
    damaged.keep(added(5))
    damaged.end()
    again = Program(folder)
    assert not again.emails.complete
    assert knows(again.emails, 5)
    again.end()


@with_files
@given(st.data())
def test_a_snapshot_cut_short_anywhere_never_makes_a_wrong_no(data: st.DataObject) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.keep(completed(), added(1))
        program.fold()
        program.end()
        path = program.files.snapshot_path
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, size - 1))])

        assert_stays_incomplete(Program(folder), folder)


@with_files
@given(st.integers(0, 4 * RECORD_BYTES))
def test_a_journal_cut_short_loses_nothing_from_before_the_cut(size: int) -> None:
    with new_folder() as folder:
        program = Program(folder)
        program.keep(completed(), added(1), added(2), added(3))
        program.end()
        path = journal(folder)
        path.write_bytes(path.read_bytes()[:size])

        emails = Program(folder).emails

        whole = size // RECORD_BYTES
        assert emails.complete == (whole >= 1)
        assert knows(emails, *range(1, whole))


@pytest.mark.parametrize("lost", ["filter.snapshot", "filter.*.journal"])
def test_half_of_its_files_is_not_taken_for_all(folder: Path, lost: str) -> None:
    (path,) = folder.glob(lost)
    path.unlink()

    assert not Program(folder).emails.complete


def test_a_lost_folder_is_not_taken_for_a_new_one(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()

    assert not Program(folder).emails.complete


def test_damage_is_found_however_often_the_next_start_is_killed(folder: Path) -> None:
    """The journal is put aside before the snapshot: alone, each of them must still look damaged."""
    path = journal(folder)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.rename(path.with_name(f"{path.name}.corrupt"))

    assert not Program(folder).emails.complete


def test_a_journal_of_another_time_is_not_taken_for_its_own(folder: Path) -> None:
    number = int(journal(folder).name.split(".")[1])
    stale = Program(folder.parent / "other")
    stale.keep(completed(), added(9))
    (folder / f"filter.{number + 1}.journal").write_bytes(journal(folder.parent / "other").read_bytes())

    emails = Program(folder).emails
    again = Program(folder).emails

    assert knows(emails, 1, 2, 3, 4)
    assert digest(9) not in emails
    assert digest(9) not in again


def test_a_snapshot_that_cannot_be_written_costs_nothing(folder: Path) -> None:
    program = Program(folder)
    in_the_way = folder / "filter.new"
    in_the_way.mkdir()

    with pytest.raises(OSError, match=r"filter\.new"):
        program.fold()
    program.keep(added(5))

    in_the_way.rmdir()
    again = Program(folder)
    assert again.emails.complete
    assert knows(again.emails, 1, 2, 3, 4, 5)
    assert len(list(folder.glob("filter.*.journal"))) == 1


def test_a_write_that_failed_half_way_does_not_spoil_the_next(folder: Path) -> None:
    program = Program(folder)
    program.keep(added(5))
    with journal(folder).open("ab") as file:
        file.write(b"half of a record")

    program.keep(added(6))

    again = Program(folder)
    assert again.emails.complete
    assert knows(again.emails, 1, 2, 3, 4, 5, 6)


def test_remembers_the_last_event(tmp_path: Path) -> None:
    program = Program(tmp_path)
    change = Change(Kind.DELETED, UUID(int=7), digest(1))
    program.keep(added(1), change)

    emails = Program(tmp_path).emails

    assert emails.last_event_id == str(UUID(int=7))
    assert emails.deleted == 1
