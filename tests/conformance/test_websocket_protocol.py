"""RFC 6455 as the gateway's protocol class speaks it, in the cases of Autobahn's test suite.

Not here are sections 9, which measures, and 12 and 13, on a compression that the gateway does not offer: those are
`bench/conformance.py`'s.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import pytest

from tests.support.autobahn import Outcome, run_cases
from tests.support.echo import echo_server

CASES = {
    "1.1.*": ("text", 8),
    "1.2.*": ("binary", 8),
    "2.*": ("pings and pongs", 11),
    "3.*": ("reserved bits", 7),
    "4.*": ("opcodes", 10),
    "5.*": ("fragmentation", 20),
    "6.*": ("UTF-8", 145),
    "7.*": ("closing", 37),
    "10.*": ("automatic fragmentation", 1),
}
"""What each is about, and how many there are."""

TEXT_CASES = [cases for cases in CASES if cases != "1.2.*"]

AT_ONCE = 8

SHORTEST_LIMIT_MS = 500
"""Of the times that cases set. On a busy machine one may be up before the server had its turn."""


@pytest.fixture(scope="module")
def received() -> Iterator[Mapping[str, Outcome]]:
    yield from _outcomes("/", list(CASES))


@pytest.fixture(scope="module")
def handed_over() -> Iterator[Mapping[str, Outcome]]:
    yield from _outcomes("/handed_over", TEXT_CASES)


def _outcomes(path: str, cases: Sequence[str]) -> Iterator[Mapping[str, Outcome]]:
    """By case. What fails after its time may have been up is run once more, alone; all else has one try."""
    with echo_server() as url:
        outcomes = run_cases(f"{url}{path}", cases, at_once=AT_ONCE)
        late = [one.case for one in outcomes if not one.passed and one.milliseconds >= SHORTEST_LIMIT_MS]
        again = run_cases(f"{url}{path}", late, at_once=1) if late else []
        yield {one.case: one for one in (*outcomes, *again)}


def _about(cases: str) -> str:
    return f"{cases} {CASES[cases][0]}"


@pytest.mark.parametrize("cases", CASES, ids=_about)
def test_every_case_passes_while_messages_are_received(received: Mapping[str, Outcome], cases: str) -> None:
    assert_all_pass(received, cases)


@pytest.mark.parametrize("cases", TEXT_CASES, ids=_about)
def test_every_case_on_text_passes_when_messages_are_handed_over(
    handed_over: Mapping[str, Outcome], cases: str
) -> None:
    assert_all_pass(handed_over, cases)


def assert_all_pass(outcomes: Mapping[str, Outcome], cases: str) -> None:
    ran = [one for one in outcomes.values() if fnmatchcase(one.case, cases)]
    assert len(ran) == CASES[cases][1]
    assert {one.case: one.because for one in ran if not one.passed} == {}
