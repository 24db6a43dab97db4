"""What a run says at its end."""

import pytest

from tests.e2e.faults.history import History
from tests.e2e.faults.state import Final
from tests.e2e.faults.verdict import Verdict


def test_that_every_promise_was_kept_is_said_only_of_what_was_judged(capsys: pytest.CaptureFixture[str]) -> None:
    Verdict(7).tell()

    assert capsys.readouterr().out.splitlines()[-1] == "seed 7: failed"


def test_a_run_in_which_nothing_was_found_has_kept_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Verdict(7)
    verdict.judge("stack", History(7), Final())

    verdict.tell()

    assert capsys.readouterr().out.splitlines()[-1] == "seed 7: every promise kept"
