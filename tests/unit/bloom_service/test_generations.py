"""When there has to be another generation, and that nobody is ever missing from one that is ready."""

import hashlib
import random
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bloom_service.generations import Change, Generation, Generations, Kind, Reason

OLD, NEW = "old", "new"


def digest(number: int, key_id: str = OLD) -> str:
    return hashlib.sha256(f"{key_id} {number}".encode()).hexdigest()


def change(kind: Kind, number: int, key_ids: Iterable[str]) -> Change:
    return Change(kind, uuid4(), {key_id: digest(number, key_id) for key_id in key_ids})


def registered(number: int, *key_ids: str) -> Change:
    return change(Kind.REGISTERED, number, key_ids or (OLD,))


def deleted(number: int, *key_ids: str) -> Change:
    return change(Kind.DELETED, number, key_ids or (OLD,))


def exported(*numbers: int, key_id: str = OLD) -> str:
    return "".join(digest(number, key_id) for number in numbers)


def of(*numbers: int, capacity: int = 100) -> Generations:
    """With a generation that is ready, and has these members."""
    generations = Generations(capacity, 0.001)
    generations.hear_of([OLD])
    young = generations.begin(OLD)
    young.add(exported(*numbers))
    assert generations.swap(young)
    return generations


def ready(generations: Generations, key_id: str = OLD) -> Generation:
    found = generations.under(key_id)
    assert found is not None
    return found


def knows(generation: Generation | None, *numbers: int) -> bool:
    assert generation is not None
    return all(digest(number, generation.key_id) in generation.filter for number in numbers)


# --- life of a generation -------------------------------------------------------------------------------------------


def test_there_is_none_at_first_and_none_is_wanted_before_user_service_was_heard() -> None:
    generations = Generations(100, 0.001)

    assert (generations.current, generations.under(OLD), generations.wanted) == (None, None, None)

    generations.hear_of([OLD])

    assert generations.wanted == (OLD, Reason.MISSING)


def test_a_young_one_is_told_of_changes_and_does_not_answer() -> None:
    generations = Generations(100, 0.001)
    generations.hear_of([OLD])
    young = generations.begin(OLD)

    generations.apply(registered(1))
    young.add(exported(2, 3))

    assert generations.current is None
    assert (young.number, young.exported, knows(young, 1, 2, 3)) == (1, 2, True)

    assert generations.swap(young)

    assert generations.current is young
    assert generations.wanted is None
    assert not generations.young


def test_the_one_before_answers_and_is_told_of_changes_until_it_is_replaced() -> None:
    generations = of(1)
    young = generations.begin(OLD)
    generations.apply(registered(2))

    assert knows(generations.current, 1, 2)
    assert knows(young, 2)
    assert not knows(young, 1)

    young.add(exported(1, 2))
    generations.swap(young)

    assert generations.current is young
    assert (young.number, len(young.filter)) == (2, 2)


def test_a_deleted_account_is_gone_with_the_next_one() -> None:
    generations = of(*range(100))
    generations.apply(deleted(1))
    young = generations.begin(OLD)
    young.add(exported(*range(2, 100)))

    assert knows(generations.current, 1)
    generations.swap(young)

    assert not knows(generations.current, 1)
    assert ready(generations).deleted == 0


def test_remembers_the_last_event() -> None:
    generations = of()
    last = deleted(1)
    generations.apply(registered(1))
    generations.apply(last)

    assert ready(generations).last_event_id == str(last.event_id)
    assert generations.begin(OLD).last_event_id == str(last.event_id)


# --- when another one is wanted -------------------------------------------------------------------------------------


def test_when_it_is_nearly_full() -> None:
    generations = of(*range(80))
    assert generations.wanted is None

    generations.apply(registered(80))

    assert generations.wanted == (OLD, Reason.FULL)


def test_when_many_of_its_members_were_deleted() -> None:
    generations = of(*range(60))
    for number in range(3):
        generations.apply(deleted(number))
    assert generations.wanted is None

    generations.apply(deleted(3))

    assert generations.wanted == (OLD, Reason.DELETIONS)
    assert ready(generations).deleted == 4


def test_who_was_no_member_does_not_count_as_deleted() -> None:
    generations = of(1)
    generations.apply(deleted(2))

    assert ready(generations).deleted == 0


def test_no_more_are_deleted_than_there_are_however_often_that_is_told() -> None:
    generations = of(1)
    for _ in range(5):
        generations.apply(deleted(1))

    assert ready(generations).deleted == 1
    assert ready(generations).live == 0


def test_on_command_for_each_key_once() -> None:
    generations = of(1)
    generations.hear_of([OLD, NEW])
    generations.swap(generations.begin(NEW))
    assert generations.wanted is None

    generations.command()

    assert generations.wanted == (OLD, Reason.COMMAND)
    generations.swap(generations.begin(OLD))
    assert generations.wanted == (NEW, Reason.COMMAND)
    generations.swap(generations.begin(NEW))
    assert generations.wanted is None


def test_first_where_there_is_none() -> None:
    generations = of(1)
    generations.command()
    generations.hear_of([OLD, NEW])

    assert generations.wanted == (NEW, Reason.MISSING)


@pytest.mark.parametrize(
    ("members", "gone", "capacity"),
    [(range(20), 0, 100), (range(81), 0, 162), (range(81), 30, 102), (range(81), 60, 100), (range(1000), 0, 2000)],
)
def test_the_next_one_has_room_for_twice_the_live_members(members: range, gone: int, capacity: int) -> None:
    generations = of(*members)
    for number in range(gone):
        generations.apply(deleted(number))

    assert generations.begin(OLD).filter.capacity == pytest.approx(capacity, rel=0.1)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_takes_the_place_of_another_while_both_answer() -> None:
    generations = of(1)

    generations.hear_of([OLD, NEW])
    generations.apply(registered(2, OLD, NEW))
    assert generations.wanted == (NEW, Reason.MISSING)
    young = generations.begin(NEW)
    young.add(exported(1, 2, key_id=NEW))
    generations.swap(young)

    generations.hear_of([NEW, OLD])
    generations.apply(registered(3, NEW, OLD))
    assert generations.current is young
    assert knows(generations.under(OLD), 1, 2, 3)
    assert knows(generations.under(NEW), 1, 2, 3)

    generations.hear_of([NEW])
    generations.apply(registered(4, NEW))
    assert generations.under(OLD) is None
    assert knows(generations.current, 1, 2, 3, 4)
    assert generations.wanted is None


def test_one_that_misses_somebody_is_dropped_and_made_anew() -> None:
    generations = of(1)
    generations.hear_of([OLD, NEW])
    young = generations.begin(NEW)

    assert generations.apply(registered(2, OLD)) == [young]
    assert generations.wanted == (NEW, Reason.MISSING)
    assert not generations.swap(young)

    before = generations.current
    assert generations.apply(registered(3, NEW)) == [before]
    assert generations.current is None


def test_all_are_dropped_when_somebody_registers_of_whom_nothing_is_known() -> None:
    generations = of(1)
    before, young = ready(generations), generations.begin(OLD)

    assert generations.apply(Change(Kind.REGISTERED, uuid4(), {})) == [before, young]
    assert (generations.current, generations.young) == (None, None)


def test_a_deletion_that_is_told_under_another_key_counts() -> None:
    generations = of(*range(10))
    generations.apply(deleted(1, NEW))

    assert ready(generations).deleted == 1


def test_a_question_without_a_key_is_not_answered_while_user_service_names_none() -> None:
    """As older versions do, whose key may be any."""
    generations = of(1)
    before = generations.under(None)
    generations.hear_of([])

    assert generations.under(None) is None
    assert generations.under(OLD) is before is generations.current
    assert generations.wanted is None


# --- in any order ---------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """In user_service's database, and in an event that may be handled at any time, or several times, or not yet."""

    event: Change
    heard: bool = False


@dataclass
class Scan:
    """The export's pages on their way into a young generation, in the order of ids; one is fetched and not added."""

    young: Generation
    after: int = -1
    fetched: str = ""
    complete: bool = False
    told: set[int] = field(default_factory=set)


class AnyOrder(RuleBasedStateMachine):
    """user_service and its bus around the generations; and a program that keeps them, and may be killed at any time."""

    @initialize(seed=st.integers(0, 1000), accounts=st.integers(0, 20))
    def begin_with_some_accounts(self, seed: int, accounts: int) -> None:
        self.random = random.Random(seed)
        self.generations = Generations(100, 0.001)
        self.key_ids: tuple[str, ...] = (OLD,)
        self.accounts: dict[int, Account] = {}
        self.gone: list[Change] = []
        self.scan: Scan | None = None
        self.told: dict[int, set[int]] = {}
        self.snapshot = deepcopy(self.generations)
        self.journal: list[Change] = []
        for _ in range(accounts):
            self.register()

    @rule()
    def register(self) -> None:
        """Ids are allotted before the commit: a later one may be lower. (An id is never used again.)"""
        number = self.random.randrange(1_000_000)
        self.accounts[number] = Account(registered(number, *self.key_ids))

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def handle(self, data: st.DataObject) -> None:
        """Any event that there is, for the first time or once more."""
        account = self.accounts[data.draw(st.sampled_from(list(self.accounts)))]
        self._apply(account.event)
        account.heard = True

    @rule()
    def register_and_handle(self) -> None:
        self.register()
        account = next(reversed(self.accounts.values()))
        self._apply(account.event)
        account.heard = True

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(list(self.accounts)))
        del self.accounts[number]
        self.gone.append(deleted(number, self.key_ids[0]))

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def handle_deletion(self, data: st.DataObject) -> None:
        self._apply(data.draw(st.sampled_from(self.gone)))

    @rule(key_ids=st.sampled_from([(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]))
    def have_keys(self, key_ids: tuple[str, ...]) -> None:
        """An instance with other keys takes over: the next who register have digests under those."""
        self.key_ids = key_ids

    @precondition(lambda self: self.scan is None)
    @rule()
    def begin(self) -> None:
        self.generations.hear_of(self.key_ids)
        if self.generations.wanted is None:
            self.generations.command()
        wanted = self.generations.wanted
        assert wanted is not None
        self.scan = Scan(self.generations.begin(wanted[0]))

    @precondition(lambda self: self.scan)
    @rule(size=st.integers(1, 10))
    def add_a_page(self, size: int) -> None:
        """And fetch the next one; or, after the last, swap."""
        scan = self.scan
        assert scan is not None
        scan.young.add(scan.fetched)
        if scan.complete:
            if self.generations.swap(scan.young):
                self.told[scan.young.number] = scan.told
            self.scan = None
            return
        following = sorted(number for number in self.accounts if number > scan.after)
        page = following[:size]
        scan.fetched = exported(*page, key_id=scan.young.key_id)
        scan.told.update(page)
        scan.after = page[-1] if page else scan.after
        scan.complete = len(page) == len(following)

    @rule()
    def fold(self) -> None:
        self.snapshot = deepcopy(self.generations)
        self.journal = []

    @rule()
    def be_killed(self) -> None:
        """What starts has the last snapshot, and what was heard since."""
        self.generations = Generations(
            self.snapshot.capacity, 0.001, deepcopy(self.snapshot.ready), number=self.generations.number
        )
        for change in self.journal:
            self.generations.apply(change)
        self.scan = None

    @invariant()
    def nobody_is_missing(self) -> None:
        """Of those whose event was handled, whenever that was, and of those whom the export told."""
        if hasattr(self, "generations"):
            for generation in self.generations.ready.values():
                for number, account in self.accounts.items():
                    if account.heard or number in self.told[generation.number]:
                        assert knows(generation, number)

    def _apply(self, change: Change) -> None:
        self.journal.append(change)
        self.generations.apply(change)


AnyOrder.TestCase.settings = settings(max_examples=200, stateful_step_count=80, deadline=None)
TestNobodyIsEverMissing = AnyOrder.TestCase
