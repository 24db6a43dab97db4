"""What is found in services' logs."""

import json

from tests.e2e.faults.service_logs import errors


def line(**fields: object) -> str:
    return json.dumps(fields)


def test_errors_are_counted_by_what_they_say_whatever_their_numbers() -> None:
    log = [line(event="dropped", level="error", reason=f"after {number} s") for number in (3, 12)]

    assert errors(log) == {"dropped after N s": 2}


def test_an_exception_is_found_at_any_level_and_named() -> None:
    raised = [{"exc_type": "ValueError", "exc_value": "no\nsuch thing", "frames": []}]

    assert errors([line(event="failed", level="warning", exception=raised)]) == {"failed ValueError: no such thing": 1}


def test_what_asyncio_says_of_an_exception_that_nobody_took_is_told_whole() -> None:
    event = "Future exception was never retrieved\nfuture: <Future finished exception=ValueError('no')>"

    assert errors([line(event=event, level="error")]) == {" ".join(event.split()): 1}


def test_warnings_and_what_is_not_json_are_passed_over() -> None:
    assert errors([line(event="waits", level="warning"), "listening on [1, 2]", '"a string"']) == {}


def test_a_traceback_of_a_process_that_had_no_log_yet_is_found() -> None:
    assert errors(["Traceback (most recent call last):\n"]) == {"Traceback (most recent call last):": 1}
