"""The hub: order, repeats, holes, delivery held back, removal."""

import json
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from common.ids import now
from contracts.messages import EntryKind, RoomEntry
from gateway_ws.framing import event_frame
from gateway_ws.hub import Hub, Prepared, Reason

ROOM = uuid4()
ACTOR = uuid4()


class Somebody:
    """A listener that remembers the seqs it got."""

    def __init__(self) -> None:
        self.user_id = uuid4()
        self.seqs: list[int] = []
        self.removals: list[tuple[UUID, Reason]] = []

    def deliver(self, frame: bytes) -> None:
        self.seqs.append(json.loads(frame[frame.index(b"{") :])["seq"])

    def removed(self, room_id: UUID, reason: Reason) -> None:
        self.removals.append((room_id, reason))


def prepared(seq: int, kind: EntryKind = EntryKind.MESSAGE_POSTED, data: dict[str, object] | None = None) -> Prepared:
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

    hub.offer(prepared(2, EntryKind.MEMBER_REMOVED, {"user_id": str(removed.user_id)}))
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

    hub.offer(prepared(2, EntryKind.MEMBER_LEFT, {"user_id": str(newcomer.user_id)}))
    hub.offer(prepared(3))
    hub.release(newcomer, ROOM, 1)

    assert newcomer.seqs == [2]
    assert newcomer.removals == [(ROOM, "left")]
    assert not hub.listening(newcomer, ROOM)


def test_a_deleted_room_ends_for_everybody() -> None:
    hub = Hub()
    one, other = listening(hub, 1), listening(hub, 1)

    hub.offer(prepared(2, EntryKind.ROOM_UPDATED, {"deleted": True}))

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


def test_an_entry_is_known_once_it_was_offered() -> None:
    hub = Hub()
    listening(hub, 3)
    later, next_one = prepared(5), prepared(4)

    assert hub.knows(prepared(3).entry)
    assert not hub.knows(later.entry)
    hub.offer(later)
    assert hub.knows(later.entry)
    assert not hub.knows(next_one.entry)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[str, int]]]:
    """A log's length, and what happens: entries committed in order, each broadcast late, twice or never; listeners
    that begin, are released, and leave."""
    length = draw(st.integers(1, 12))
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(["commit", "offer", "listen", "release", "leave", "repair"]), st.integers(0, 30)),
            max_size=60,
        )
    )
    return length, steps


@given(histories())
def test_whatever_happens_a_listener_gets_a_dense_row_from_its_position_on(
    history: tuple[int, list[tuple[str, int]]],
) -> None:
    length, steps = history
    log = [prepared(seq) for seq in range(1, length + 1)]
    committed = 0
    hub = Hub()
    held: list[Somebody] = []
    released: dict[Somebody, int] = {}

    def repair() -> None:
        for after in hub.heads().values():
            for entry in log[after:committed]:
                hub.offer(entry)

    for step, number in steps:
        match step:
            case "commit":
                committed = min(length, committed + 1)
            case "offer" if committed:
                hub.offer(log[number % committed])
            case "listen":
                held.append(Somebody())
                hub.listen(held[-1], ROOM)
            case "release" if held:
                somebody = held.pop(number % len(held))
                hub.release(somebody, ROOM, committed)
                released[somebody] = committed
            case "leave" if released:
                somebody = list(released)[number % len(released)]
                hub.leave_all(somebody)
                position = released.pop(somebody)
                assert somebody.seqs == list(range(position + 1, position + 1 + len(somebody.seqs)))
            case "repair":
                repair()
    repair()

    for somebody, position in released.items():
        assert somebody.seqs == list(range(position + 1, committed + 1))
