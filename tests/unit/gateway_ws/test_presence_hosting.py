"""Who is connected to one gateway, and what it owes those that have asked."""

from datetime import timedelta
from uuid import UUID, uuid4

from common.ids import now
from contracts.messages import PresenceReport
from gateway_ws.presence_hosting import MAX_USERS_PER_MESSAGE, Hosting
from tests.support.clock import Clock

ASKED_FOR = 30.0


def hosting(clock: Clock, **bounds: int) -> Hosting:
    return Hosting("here", ASKED_FOR, clock, **bounds)


def report(hosting: Hosting) -> PresenceReport | None:
    """What is owed to the one gateway that asks in these tests."""
    reports = list(hosting.reports())
    assert [to for to, _ in reports] in ([], ["there"])
    return reports[0][1] if reports else None


def test_a_question_is_answered_with_who_is_here_and_when_others_went() -> None:
    host, user, gone, moment = hosting(Clock()), uuid4(), uuid4(), now()
    host.arrived(user)
    host.arrived(gone)
    host.left(gone, moment)

    host.asked("there", [user, gone, uuid4()])

    assert report(host) == PresenceReport(gateway_id="here", online=[user], offline={gone: moment})
    assert report(host) is None


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    host = hosting(Clock())

    host.asked("there", [uuid4()])

    assert report(host) is None


def test_whoever_was_asked_for_is_reported_when_they_come_and_go() -> None:
    host, user, moment = hosting(Clock()), uuid4(), now()
    host.asked("there", [user])
    report(host)

    host.arrived(user)
    assert report(host) == PresenceReport(gateway_id="here", online=[user], offline={})

    host.left(user, moment)
    assert report(host) == PresenceReport(gateway_id="here", online=[], offline={user: moment})


def test_a_user_is_here_until_the_last_connection_has_ended() -> None:
    host, user = hosting(Clock()), uuid4()
    host.asked("there", [user])
    host.arrived(user)
    report(host)

    host.arrived(user)
    host.left(user, now())
    assert report(host) is None

    host.left(user, now())
    assert report(host) is not None


def test_changes_between_two_reports_are_told_as_they_stand_then() -> None:
    host, user = hosting(Clock()), uuid4()
    host.asked("there", [user])

    for _ in range(3):
        host.arrived(user)
        host.left(user, now())
    host.arrived(user)

    assert report(host) == PresenceReport(gateway_id="here", online=[user], offline={})


def test_each_gateway_is_told_of_those_it_has_asked_for() -> None:
    host, one, other = hosting(Clock()), uuid4(), uuid4()
    host.asked("first", [one])
    host.asked("second", [one, other])

    host.arrived(one)
    host.arrived(other)

    assert {to: set(report.online) for to, report in host.reports()} == {"first": {one}, "second": {one, other}}


def test_a_question_that_is_not_renewed_is_forgotten() -> None:
    clock, user = Clock(), uuid4()
    host = hosting(clock)
    host.asked("there", [user])
    assert report(host) is None

    clock.now += ASKED_FOR
    host.arrived(user)

    assert report(host) is None


def test_a_renewed_question_holds_on() -> None:
    clock, user = Clock(), uuid4()
    host = hosting(clock)
    for _ in range(3):
        host.asked("there", [user])
        clock.now += ASKED_FOR - 1
        report(host)

    host.arrived(user)

    assert report(host) is not None


def test_questions_beyond_the_bound_are_answered_but_not_remembered() -> None:
    clock, users = Clock(), [uuid4() for _ in range(3)]
    host = hosting(clock, max_asked=2)
    for user in users:
        host.arrived(user)

    host.asked("there", users)
    assert in_order(report(host)) == sorted(users)

    for user in users:
        host.left(user, now())
    told = report(host)
    assert told is not None
    assert set(told.offline) == set(users[:2])

    clock.now += ASKED_FOR
    report(host)
    host.asked("there", users[2:])
    host.arrived(users[2])
    assert in_order(report(host)) == users[2:]


def test_only_so_many_who_have_gone_are_remembered() -> None:
    host, users, moment = hosting(Clock(), max_gone=2), [uuid4() for _ in range(3)], now()
    for number, user in enumerate(users):
        host.arrived(user)
        host.left(user, moment + timedelta(seconds=number))

    host.asked("there", users)

    told = report(host)
    assert told is not None
    assert told.offline == {users[1]: moment + timedelta(seconds=1), users[2]: moment + timedelta(seconds=2)}


def test_a_long_report_comes_in_parts() -> None:
    host, users = hosting(Clock()), [uuid4() for _ in range(MAX_USERS_PER_MESSAGE + 1)]
    for user in users:
        host.arrived(user)

    host.asked("there", users)

    parts = [report.online for _, report in host.reports()]
    assert sorted(map(len, parts)) == [1, MAX_USERS_PER_MESSAGE]
    assert {user for part in parts for user in part} == set(users)


def test_nobody_is_owed_anything_of_users_for_whom_nobody_asks() -> None:
    host = hosting(Clock())

    for _ in range(100):
        host.arrived(uuid4())

    assert list(host.reports()) == []


def in_order(report: PresenceReport | None) -> list[UUID]:
    assert report is not None
    return sorted(report.online)
