"""Which faults a run goes through."""

from itertools import islice

from contracts.routing import COMMANDS, EVENTS
from tests.e2e.faults.catalogue import DISK_FULL_S, NOTICED_AFTER_S, Draw, Faults, fixed
from tests.e2e.faults.processes import HEARTBEAT_LOST_AFTER_S


def told(runs: list[Faults]) -> list[str]:
    return [f"{fault!r}" for faults in runs for fault in faults]


def drawn(seed: int, count: int = 300) -> list[Faults]:
    return list(islice(Draw(seed).faults(), count))


def test_the_same_seed_gives_the_same_faults() -> None:
    assert told(drawn(7)) == told(drawn(7))
    assert told(list(fixed(7))) == told(list(fixed(7)))


def test_another_seed_gives_others() -> None:
    assert told(drawn(7)) != told(drawn(8))
    assert told(list(fixed(7))) != told(list(fixed(8)))


def test_two_faults_at_once_lay_hands_on_different_parts() -> None:
    together = [faults for faults in [*drawn(7), *fixed(7)] if len(faults) > 1]

    assert together
    assert all(not first.parts & second.parts for first, second in together)


def test_two_hundred_faults_by_chance_are_held_for_a_small_part_of_forty_minutes() -> None:
    held = [sum(max(fault.hold for fault in faults) for faults in drawn(seed, 200)) for seed in range(20)]

    assert max(held) < 20 * 60


def test_the_fixed_set_has_every_kind_that_chance_may_bring() -> None:
    some = {fault.kind for seed in range(5) for faults in drawn(seed) for fault in faults}
    fixed_kinds = {fault.kind for faults in fixed(7) for fault in faults}

    assert fixed_kinds == some


def test_a_long_pause_outlasts_the_heartbeat() -> None:
    draw = Draw(7)

    holds = [draw.paused().hold for _ in range(500)]

    assert {hold > HEARTBEAT_LOST_AFTER_S for hold in holds} == {True, False}


def test_a_wrong_clock_and_a_full_disk_last_until_they_are_noticed() -> None:
    draw = Draw(7)

    assert min(draw.wrong_clock().hold for _ in range(100)) == NOTICED_AFTER_S
    assert min(draw.disk_full().hold for _ in range(100)) == DISK_FULL_S


def test_repetitions_of_commands_and_of_events_are_two_kinds() -> None:
    draw = Draw(7)

    assert draw.repeated(COMMANDS).kind != draw.repeated(EVENTS).kind
