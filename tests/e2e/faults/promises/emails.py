"""G9: no email is registered twice, none that was registered is lost, and none is called available."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.e2e.faults.facts import Facts
from tests.e2e.faults.history import Deletion, Registration
from tests.e2e.faults.violation import Violation

_SLACK_S = 0.05
"""For the moment between an answer's arrival and our looking at the clock."""


def check(facts: Facts) -> Iterator[Violation]:
    registrations: dict[str, list[Registration]] = defaultdict(list)
    deletions: dict[str, list[Deletion]] = defaultdict(list)
    for registration in facts.history.registrations:
        registrations[registration.email].append(registration)
    for deletion in facts.history.deletions:
        deletions[deletion.email].append(deletion)
    for email, attempts in registrations.items():
        yield from _answered(attempts)
        yield from _once(attempts, deletions[email])
        yield from _kept(facts, attempts, deletions[email])
    yield from _taken(facts, registrations, deletions)
    for email, count in Counter(facts.final.emails).items():
        if count > 1:
            yield Violation("G9", "doubled", f"{count} accounts have the email {email}", ())


def _answered(attempts: Sequence[Registration]) -> Iterator[Violation]:
    for one in attempts:
        if one.status not in (None, 201, 409):
            yield Violation("G9", "other", "a registration got an answer that no outage explains", (one,))


def _once(attempts: Sequence[Registration], deletions: Sequence[Deletion]) -> Iterator[Violation]:
    made = sorted((one for one in attempts if one.status == 201), key=lambda one: one.answered_at)
    for earlier, later in pairwise(made):
        if not any(
            _may_have_worked(deletion)
            and deletion.answered_at >= earlier.sent_at
            and deletion.sent_at <= later.answered_at
            for deletion in deletions
        ):
            yield Violation("G9", "doubled", "an email was registered twice", (earlier, later))


def _kept(facts: Facts, attempts: Sequence[Registration], deletions: Sequence[Deletion]) -> Iterator[Violation]:
    made = max((one for one in attempts if one.status == 201), key=lambda one: one.answered_at, default=None)
    if made is None or any(_may_have_worked(one) and one.answered_at >= made.sent_at for one in deletions):
        return
    if made.email not in facts.emails:
        yield Violation("G9", "lost", "an email was registered, and has no account", (made,))
    for login in facts.history.logins:
        if login.email == made.email and login.sent_at > made.answered_at and login.status not in (None, 200):
            yield Violation("G9", "lost", "somebody was registered, and can't log in", (made, login))


def _taken(
    facts: Facts, registrations: dict[str, list[Registration]], deletions: dict[str, list[Deletion]]
) -> Iterator[Violation]:
    for question in facts.history.availabilities:
        if not question.available:
            continue
        certain_before = question.sent_at - facts.filter_grace_s - _SLACK_S
        known = [one for one in registrations[question.email] if _is_taken(one) and one.answered_at < certain_before]
        if not known:
            continue
        latest = max(known, key=lambda one: one.answered_at)
        if not any(
            _may_have_worked(one) and one.answered_at >= latest.sent_at and one.sent_at <= question.answered_at
            for one in deletions[question.email]
        ):
            yield Violation("G9", "other", "a registered email was called available", (latest, question))


def _is_taken(registration: Registration) -> bool:
    return registration.status == 201 or registration.code == "email_taken"


def _may_have_worked(deletion: Deletion) -> bool:
    return deletion.status in (204, None)
