"""The hub: order, repeats, holes, delivery held back, removal."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from common.ids import now
from contracts.entries import MemberLeft, MemberRemoved, MessagePosted, RoomUpdated
from contracts.messages import RoomEntry
from gateway_ws.framing import event_frame
from gateway_ws.hub import Hub
from gateway_ws.room import Prepared, Reason

ROOM = uuid4()
ACTOR = uuid4()
SEQ = re.compile(rb'"seq":(\d+)')


class Somebody:
    """A listener that remembers the seqs it got, and how often it was handed some."""

    def __init__(self) -> None:
        self.user_id = uuid4()
        self.seqs: list[int] = []
        self.times = 0
        self.removals: list[tuple[UUID, Reason]] = []

    def deliver(self, frames: bytes) -> None:
        self.seqs += map(int, SEQ.findall(frames))
        self.times += 1

    def removed(self, room_id: UUID, reason: Reason) -> None:
        self.removals.append((room_id, reason))


def prepared(seq: int, kind: str = MessagePosted.kind, data: dict[str, object] | None = None) -> Prepared:
    entry = RoomEntry(room_id=ROOM, seq=seq, kind=kind, actor_id=ACTOR, id=uuid4(), at=now(), data=data or {})
    return Prepared(entry, event_frame(entry))


def listening(hub: Hub, position: int) -> Somebody:
    somebody = Somebody()
    hub.listen(somebody, ROOM)
    hub.release(somebody, ROOM, position)
    return somebody


def test_an_entry_reaches_every_listener_once_however_often_it_comes() -> None:
    hub = Hub()
    one, other = listening(hub, 3), listening(hub, 3)

    for seq in (4, 4, 5, 4, 5):
        hub.offer(prepared(seq))

    assert one.seqs == other.seqs == [4, 5]


def test_an_early_entry_waits_for_the_one_before_it_and_is_called_a_hole() -> None:
    hub = Hub()
    somebody = listening(hub, 1)

    assert hub.offer(prepared(3))
    assert somebody.seqs == []
    assert hub.holes() == {ROOM: 1}

    assert not hub.offer(prepared(2))
    assert somebody.seqs == [2, 3]
    assert hub.holes() == {}


def test_what_comes_while_delivery_is_held_back_follows_the_catch_up() -> None:
    hub = Hub()
    present = listening(hub, 5)
    newcomer = Somebody()
    hub.listen(newcomer, ROOM)

    for seq in (6, 7, 8):
        hub.offer(prepared(seq))
    hub.release(newcomer, ROOM, 7)  # the catch-up brought up to 7

    assert present.seqs == [6, 7, 8]
    assert newcomer.seqs == [8]


def test_a_listener_ahead_of_the_room_does_not_get_what_it_has() -> None:
    hub = Hub()
    listening(hub, 5)
    ahead = listening(hub, 8)

    for seq in (6, 7, 8, 9):
        hub.offer(prepared(seq))

    assert ahead.seqs == [9]


def test_the_first_listener_gets_what_came_before_its_catch_up_was_done() -> None:
    hub = Hub()
    somebody = Somebody()
    hub.listen(somebody, ROOM)

    for seq in (8, 7, 6):
        hub.offer(prepared(seq))
    hub.release(somebody, ROOM, 6)

    assert somebody.seqs == [7, 8]


def test_the_removal_is_the_last_thing_that_a_removed_user_gets_on_every_connection() -> None:
    hub = Hub()
    removed, other_device, bystander = listening(hub, 1), listening(hub, 1), listening(hub, 1)
    other_device.user_id = removed.user_id

    hub.offer(prepared(2, MemberRemoved.kind, {"user_id": str(removed.user_id)}))
    hub.offer(prepared(3))

    assert removed.seqs == other_device.seqs == [2]
    assert removed.removals == other_device.removals == [(ROOM, "removed")]
    assert bystander.seqs == [2, 3]
    assert bystander.removals == []


def test_a_removal_among_what_was_held_back_is_the_last_thing_delivered() -> None:
    hub = Hub()
    listening(hub, 1)
    newcomer = Somebody()
    hub.listen(newcomer, ROOM)

    hub.offer(prepared(2, MemberLeft.kind, {"user_id": str(newcomer.user_id)}))
    hub.offer(prepared(3))
    hub.release(newcomer, ROOM, 1)

    assert newcomer.seqs == [2]
    assert newcomer.removals == [(ROOM, "left")]
    assert not hub.listening(newcomer, ROOM)


def test_a_deleted_room_ends_for_everybody() -> None:
    hub = Hub()
    one, other = listening(hub, 1), listening(hub, 1)

    hub.offer(prepared(2, RoomUpdated.kind, {"deleted": True}))

    assert one.removals == other.removals == [(ROOM, "room_deleted")]
    assert list(hub.rooms()) == []


def test_nothing_is_left_of_a_listener_that_has_gone() -> None:
    hub = Hub()
    somebody, held = listening(hub, 1), Somebody()
    hub.listen(held, ROOM)

    hub.leave_all(somebody)
    hub.leave_all(held)

    assert list(hub.rooms()) == []
    assert hub.rooms_of(somebody) == hub.rooms_of(held) == frozenset()


def test_what_was_passed_on_before_a_newcomer_listened_is_asked_for_again_and_reaches_nobody_twice() -> None:
    hub = Hub()
    newcomer = Somebody()
    hub.listen(newcomer, ROOM)
    present = listening(hub, 7)  # whose catch-up was made later and answered sooner

    assert hub.release(newcomer, ROOM, 5)
    assert hub.holes() == {ROOM: 5}
    for seq in (6, 7, 8):
        hub.offer(prepared(seq))

    assert newcomer.seqs == [6, 7, 8]
    assert present.seqs == [8]


def test_a_catch_up_that_is_ahead_of_the_room_shows_that_something_was_lost() -> None:
    hub = Hub()
    listening(hub, 5)
    newcomer = Somebody()
    hub.listen(newcomer, ROOM)

    assert hub.release(newcomer, ROOM, 6)
    assert hub.holes() == {ROOM: 5}


def test_what_does_not_fit_is_a_hole() -> None:
    hub = Hub(max_kept=2)
    somebody = listening(hub, 0)

    for seq in (5, 4, 3):
        hub.offer(prepared(seq))
    assert hub.holes() == {ROOM: 0}
    hub.offer(prepared(1))
    hub.offer(prepared(2))
    assert hub.holes() == {ROOM: 2}
    hub.offer(prepared(3))

    assert somebody.seqs == [1, 2, 3, 4, 5]
    assert hub.holes() == {}


class Later:
    """Flushes when it is told to."""

    def __init__(self) -> None:
        self._flushes: list[Callable[[], int]] = []

    def __call__(self, flush: Callable[[], int]) -> None:
        self._flushes.append(flush)

    def flush(self) -> int:
        flushes, self._flushes = self._flushes, []
        return sum(flush() for flush in flushes)


def test_what_is_passed_on_before_a_flush_is_handed_over_together() -> None:
    later = Later()
    hub = Hub(flush_soon=later)
    one, other = listening(hub, 3), listening(hub, 3)

    for seq in (4, 6, 5):
        hub.offer(prepared(seq))
    assert one.seqs == other.seqs == []

    assert later.flush() == 6
    assert one.seqs == other.seqs == [4, 5, 6]
    assert one.times == other.times == 1
    assert later.flush() == 0


def test_before_a_flush_who_comes_and_goes_gets_what_was_passed_on_while_they_listened() -> None:
    later = Later()
    hub = Hub(flush_soon=later)
    leaving, removed, staying = listening(hub, 3), listening(hub, 3), listening(hub, 3)

    hub.offer(prepared(4))
    hub.leave(leaving, ROOM)
    coming = listening(hub, 4)
    hub.offer(prepared(5, MemberRemoved.kind, {"user_id": str(removed.user_id)}))
    hub.offer(prepared(6))
    later.flush()

    assert leaving.seqs == [4]
    assert removed.seqs == [4, 5]
    assert removed.removals == [(ROOM, "removed")]
    assert coming.seqs == [5, 6]
    assert staying.seqs == [4, 5, 6]


class World:
    """A room's log, what a gateway hears of it, and its listeners: some held back, with or without a catch-up in
    hand, some released at a position."""

    def __init__(self, length: int, max_kept: int, *, at_once: bool) -> None:
        self.later = Later()
        self.hub = Hub(max_kept) if at_once else Hub(max_kept, self.later)
        self.log = [prepared(seq) for seq in range(1, length + 1)]
        self.committed = 0
        self.heard_until = 0
        self.held: list[Somebody] = []
        self.caught_up: list[tuple[Somebody, int]] = []
        self.released: list[tuple[Somebody, int]] = []

    def commit(self, _number: int) -> None:
        self.committed = min(len(self.log), self.committed + 1)

    def hear_any(self, number: int) -> None:
        """Late, early or again."""
        if self.committed:
            self.hub.offer(self.log[number % self.committed])

    def hear_next(self, _number: int) -> None:
        if self.heard_until < self.committed:
            self.hub.offer(self.log[self.heard_until])
            self.heard_until += 1

    def lose_next(self, _number: int) -> None:
        self.heard_until = min(self.committed, self.heard_until + 1)

    def listen(self, _number: int) -> None:
        self.held.append(Somebody())
        self.hub.listen(self.held[-1], ROOM)

    def catch_up(self, number: int) -> None:
        if self.held:
            self.caught_up.append((self.held.pop(number % len(self.held)), self.committed))

    def release(self, number: int) -> None:
        if self.caught_up:
            somebody, position = self.caught_up.pop(number % len(self.caught_up))
            has_hole = self.hub.release(somebody, ROOM, position)
            assert has_hole == bool(self.hub.holes())
            self.released.append((somebody, position))

    def leave(self, number: int) -> None:
        everybody = [*self.held, *(somebody for somebody, _ in self.caught_up + self.released)]
        if everybody:
            gone = everybody[number % len(everybody)]
            self.hub.leave_all(gone)
            self.held = [somebody for somebody in self.held if somebody is not gone]
            self.caught_up = [pair for pair in self.caught_up if pair[0] is not gone]
            self.released = [pair for pair in self.released if pair[0] is not gone]

    def fill_holes(self, _number: int = 0) -> None:
        for after in self.hub.holes().values():
            self._fetch(after)

    def flush(self, _number: int = 0) -> None:
        self.later.flush()

    def compare_heads(self) -> None:
        for after in self.hub.heads().values():
            self._fetch(after)

    def _fetch(self, after: int) -> None:
        for entry in self.log[after : self.committed]:
            self.hub.offer(entry)


STEPS = [
    "commit",
    "hear_next",
    "hear_any",
    "lose_next",
    "listen",
    "catch_up",
    "release",
    "leave",
    "fill_holes",
    "flush",
]


@settings(max_examples=500, deadline=None)
@given(
    st.integers(1, 12),
    st.sampled_from([1, 3, 1000]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)), min_size=20, max_size=80),
)
def test_whatever_happens_a_listener_gets_a_dense_row_from_its_position_on(
    length: int, max_kept: int, at_once: bool, steps: list[tuple[str, int]]
) -> None:
    world = World(length, max_kept, at_once=at_once)

    for step, number in steps:
        getattr(world, step)(number)
        for somebody, position in world.released:
            assert somebody.seqs == list(range(position + 1, position + 1 + len(somebody.seqs)))
        assert all(somebody.seqs == [] for somebody in world.held)
    world.compare_heads()
    world.flush()

    for somebody, position in world.released:
        assert somebody.seqs == list(range(position + 1, world.committed + 1))
