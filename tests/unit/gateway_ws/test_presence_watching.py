"""What watchers are told: each state once, soon, and never of a user who only moves."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from common.ids import now
from contracts.frames import Presence
from contracts.messages import PresenceReport
from gateway_ws.presence_watching import Times, Watching
from tests.support.clock import Clock

TIMES = Times(ask_every=10, claim_holds=25, patience=1, linger=2)
USER = UUID(int=1)


class Somebody:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Presence] = []
        self.has_room_for_presence = True

    def queue(self, frame: bytes) -> None:
        self.told.append(Presence.model_validate_json(frame))

    def states(self, user_id: UUID = USER) -> list[bool]:
        return [presence.online for presence in self.told if presence.user_id == user_id]


class World:
    """Watching, with time going by in tenths of seconds, and every question taken as asked."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.frames = 0
        self.watching = Watching(TIMES, self._framed, self.clock)
        self.asked: list[tuple[float, UUID]] = []

    def watch(self, *user_ids: UUID) -> Somebody:
        somebody = Somebody()
        self.watching.watch(somebody, user_ids)
        return somebody

    def hear(
        self, gateway_id: str, *online: UUID, offline: dict[UUID, datetime] | None = None, at: datetime | None = None
    ) -> None:
        report = PresenceReport(gateway_id=gateway_id, online=list(online), offline=offline or {})
        self.watching.heard(report, at or now())

    def go_on(self, seconds: float = 0) -> None:
        until = self.clock.now + seconds
        while True:
            questions = self.watching.take_questions()
            self.asked += [(self.clock.now, user_id) for user_id in questions]
            if questions:
                self.watching.asked(questions)
            self.watching.settle()
            self.watching.tell(1_000_000)
            if self.clock.now >= until:
                return
            self.clock.now = round(self.clock.now + 0.1, 1)

    def times_asked(self, user_id: UUID = USER) -> list[float]:
        return [moment for moment, asked in self.asked if asked == user_id]

    def _framed(self, presence: Presence) -> bytes:
        self.frames += 1
        return presence.model_dump_json().encode()


# --- asking ---------------------------------------------------------------------------------------------------------


def test_who_is_newly_watched_is_asked_for_at_once_and_again_and_again() -> None:
    world = World()
    world.watch(USER)

    world.go_on(25)

    assert world.times_asked() == [0, 10, 20]


def test_who_is_watched_by_many_is_asked_for_once() -> None:
    world = World()
    for _ in range(3):
        world.watch(USER)
        world.go_on(3)

    world.go_on(5)

    assert world.times_asked() == [0, 10]


def test_who_is_watched_no_more_is_not_asked_for_and_nothing_of_them_is_kept() -> None:
    world = World()
    somebody = world.watch(USER)
    world.go_on()
    world.hear("a", USER)

    world.watching.watch(somebody, ())
    world.go_on(60)

    assert world.times_asked() == [0]
    assert len(world.watching) == 0


def test_who_is_watched_anew_is_asked_for_in_one_rhythm() -> None:
    world = World()
    somebody = world.watch(USER)
    world.go_on(3)
    world.watching.watch(somebody, ())
    world.watching.watch(somebody, [USER])

    world.go_on(21)

    assert world.times_asked() == [0, 3, 13, 23]


def test_a_question_that_could_not_be_asked_is_still_one_and_its_user_not_called_offline() -> None:
    world = World()
    somebody = world.watch(USER)

    for _ in range(5):
        questions = world.watching.take_questions()
        assert questions == [USER]
        world.watching.not_asked(questions)
        world.clock.now += 10
        world.watching.settle()
        world.watching.tell(1)

    assert somebody.told == []


# --- telling --------------------------------------------------------------------------------------------------------


def test_who_is_online_is_told_as_soon_as_it_is_known() -> None:
    world = World()
    somebody = world.watch(USER)
    world.go_on()

    world.hear("a", USER)
    world.go_on()

    assert somebody.told == [Presence(user_id=USER, online=True, last_seen=None)]


def test_who_is_nowhere_is_offline_once_reports_had_a_moment() -> None:
    world = World()
    somebody = world.watch(USER)

    world.go_on(0.9)
    assert somebody.told == []

    world.go_on(0.2)
    assert somebody.told == [Presence(user_id=USER, online=False, last_seen=None)]


def test_who_has_gone_is_offline_with_the_last_moment_that_any_gateway_remembers() -> None:
    world, moment = World(), now()
    somebody = world.watch(USER)
    world.go_on()

    world.hear("a", offline={USER: moment})
    world.hear("b", offline={USER: moment - timedelta(hours=1)})
    world.go_on(2)

    assert somebody.told == [Presence(user_id=USER, online=False, last_seen=moment)]


def test_who_goes_is_offline_after_a_short_while() -> None:
    world, moment = World(), now()
    somebody = world.watch(USER)
    world.go_on()
    world.hear("a", USER)
    world.go_on()

    world.hear("a", offline={USER: moment})
    world.go_on(1.9)
    assert somebody.states() == [True]

    world.go_on(0.2)
    assert somebody.told[1:] == [Presence(user_id=USER, online=False, last_seen=moment)]


def test_who_moves_to_another_gateway_is_never_offline() -> None:
    world = World()
    somebody = world.watch(USER)
    world.hear("a", USER)
    world.go_on()

    world.hear("a", offline={USER: now()})
    world.go_on(1.5)
    world.hear("b", USER)
    world.go_on(10)

    assert somebody.states() == [True]


def test_who_is_at_two_gateways_is_offline_when_both_say_so() -> None:
    world = World()
    somebody = world.watch(USER)
    world.hear("a", USER)
    world.hear("b", USER)
    world.go_on()

    world.hear("a", offline={USER: now()})
    world.go_on(10)
    assert somebody.states() == [True]

    world.hear("b", offline={USER: now()})
    world.go_on(10)
    assert somebody.states() == [True, False]


def test_the_users_of_a_killed_gateway_are_offline_within_thirty_seconds_last_seen_when_it_was_heard() -> None:
    world, moment = World(), now()
    somebody = world.watch(USER)
    world.hear("a", USER, at=moment)
    world.go_on()

    world.go_on(24)
    assert somebody.states() == [True]

    world.go_on(6)
    assert somebody.told[1:] == [Presence(user_id=USER, online=False, last_seen=moment)]


def test_a_claim_that_is_renewed_holds() -> None:
    world = World()
    somebody = world.watch(USER)
    for _ in range(10):
        world.hear("a", USER)
        world.go_on(20)

    assert somebody.states() == [True]


def test_a_change_that_was_lost_is_made_good_by_the_next_answer() -> None:
    world = World()
    somebody = world.watch(USER)
    world.hear("a", USER)
    world.go_on(10)

    world.hear("a", offline={USER: now()})  # to the question asked again, the word that they went having been lost
    world.go_on(3)

    assert somebody.states() == [True, False]


def test_a_state_is_told_once_however_often_it_is_reported() -> None:
    world = World()
    somebody = world.watch(USER)
    for _ in range(5):
        world.hear("a", USER)
        world.hear("b", USER)
        world.go_on(1)

    assert somebody.states() == [True]


def test_whoever_watches_later_is_told_at_once_what_is_known() -> None:
    world = World()
    early = world.watch(USER)
    world.hear("a", USER)
    world.go_on()

    late = world.watch(USER)
    world.go_on()

    assert early.states() == late.states() == [True]


def test_a_frame_is_made_once_for_all() -> None:
    world = World()
    crowd = [world.watch(USER) for _ in range(100)]
    world.hear("a", USER)
    world.go_on()

    assert world.frames == 1
    assert all(somebody.states() == [True] for somebody in crowd)


def test_a_new_set_replaces_the_former_one_and_does_not_repeat_what_both_have() -> None:
    kept, dropped, new = (UUID(int=number) for number in (1, 2, 3))
    world = World()
    somebody = world.watch(kept, dropped)
    world.hear("a", kept, dropped)
    world.go_on()

    world.watching.watch(somebody, [kept, new])
    world.hear("a", kept, dropped, new)
    world.go_on()
    world.hear("a", offline={user: now() for user in (kept, dropped, new)})
    world.go_on(3)

    assert {user: somebody.states(user) for user in (kept, dropped, new)} == {
        kept: [True, False],
        dropped: [True],
        new: [True, False],
    }


# --- room -----------------------------------------------------------------------------------------------------------


def test_a_watcher_without_room_is_told_afterwards_what_holds_then() -> None:
    other = UUID(int=2)
    world = World()
    slow, quick = world.watch(USER, other), world.watch(USER)
    world.hear("a", USER)
    world.go_on()

    slow.has_room_for_presence = False
    world.hear("a", other)
    world.hear("a", offline={USER: now()})
    world.go_on(3)
    world.hear("a", USER)
    world.go_on()
    world.hear("a", offline={USER: now()})
    world.go_on(3)
    assert quick.states() == [True, False, True, False]
    assert (slow.states(), slow.states(other)) == ([True], [])

    slow.has_room_for_presence = True
    world.go_on()
    assert (slow.states(), slow.states(other)) == ([True, False], [True])


def test_what_is_true_again_when_there_is_room_is_not_told_again() -> None:
    world = World()
    somebody = world.watch(USER)
    world.hear("a", USER)
    world.go_on()

    somebody.has_room_for_presence = False
    world.hear("a", offline={USER: now()})
    world.go_on(3)
    world.hear("a", USER)
    somebody.has_room_for_presence = True
    world.go_on()

    assert somebody.states() == [True]


def test_telling_stops_at_the_limit_and_goes_on_from_there() -> None:
    world, users = World(), [uuid4() for _ in range(25)]
    somebody = world.watch(*users)
    world.hear("a", *users)

    assert [world.watching.tell(10) for _ in range(3)] == [True, True, False]
    assert {presence.user_id for presence in somebody.told} == set(users)
    assert len(somebody.told) == 25


# --- whatever happens -----------------------------------------------------------------------------------------------

USERS = [UUID(int=number) for number in range(3)]
GATEWAYS = ["a", "b"]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("watch"), st.integers(0, 2), st.sets(st.sampled_from(USERS))),
        st.tuples(st.just("come"), st.sampled_from(GATEWAYS), st.sampled_from(USERS)),
        st.tuples(st.just("go"), st.sampled_from(GATEWAYS), st.sampled_from(USERS)),
        st.tuples(st.just("lose"), st.sampled_from(GATEWAYS), st.sampled_from(USERS)),
        st.tuples(st.just("room"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("wait"), st.floats(0, 30), st.none()),
    ),
    max_size=30,
)


@given(steps)
def test_once_it_is_quiet_every_watcher_knows_how_things_stand(steps: Iterable[tuple[str, object, object]]) -> None:
    """Reports may be lost; each watcher hears every state once at most in a row, and in the end the true one."""
    world, crowd = World(), [Somebody() for _ in range(3)]
    watched: dict[int, set[UUID]] = {}
    present: dict[str, set[UUID]] = {gateway: set() for gateway in GATEWAYS}
    for step, subject, thing in steps:
        match step, subject, thing:
            case "watch", int(number), set(users):
                watched[number] = users
                world.watching.watch(crowd[number], users)
                for user in USERS:
                    if user not in users:
                        crowd[number].told = [one for one in crowd[number].told if one.user_id != user]
            case "come", str(gateway), UUID() as user:
                present[gateway].add(user)
                world.hear(gateway, user)
            case "go", str(gateway), UUID() as user:
                present[gateway].discard(user)
                world.hear(gateway, offline={user: now()})
            case "lose", str(gateway), UUID() as user:
                present[gateway] ^= {user}
            case "room", int(number), bool(has_room):
                crowd[number].has_room_for_presence = has_room
            case "wait", float(seconds), _:
                world.go_on(seconds)
    for somebody in crowd:
        somebody.has_room_for_presence = True
    for _ in range(4):
        for gateway, users in present.items():
            world.hear(gateway, *users)
        world.go_on(10)

    for number, users in watched.items():
        for user in users:
            states = crowd[number].states(user)
            assert states[-1] == any(user in here for here in present.values())
            assert all(before != after for before, after in pairwise(states))
    for somebody in crowd:
        world.watching.forget(somebody)
    assert len(world.watching) == 0
