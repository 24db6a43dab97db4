import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog

from common.logging import configure_logging, told_path
from common.tracing import traced


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configuration = structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configuration)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_line_is_json_with_the_trace_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")

    with traced("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        structlog.get_logger("sample").info("happened", number=7, room_id=UUID(int=1))

    (line,) = map(json.loads, lines(capsys))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "happened",
        "number": 7,
        "room_id": "00000000-0000-0000-0000-000000000001",
        "level": "info",
        "logger": "sample",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/rooms/019ac0a3-6f6e-7d60-8f3f-1c2d3e4f5a6b/events", None),
        ("/.well-known/jwks.json", None),
        ("/", None),
        ("/api/v1/users/alice@example.com/more", "/api/v1/users/…/more"),
        ("/api/v1/users/alice%40example.com", "/api/v1/users/…"),
        (f"/api/v1/users/{'t' * 43}", "/api/v1/users/…"),
        ("/a b/\n", "/…/…"),
    ],
)
def test_a_path_is_told_without_what_may_be_an_address_or_a_token(path: str, told: str | None) -> None:
    assert told_path(path) == (told or path)


def test_lines_of_libraries_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")

    logging.getLogger("somebody.else").warning("took %d s", 3)

    (line,) = map(json.loads, lines(capsys))
    assert (line["event"], line["level"], line["logger"]) == ("took 3 s", "warning", "somebody.else")


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "json")

    structlog.get_logger("sample").info("happened")
    logging.getLogger("somebody.else").info("happened")

    assert lines(capsys) == []


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variable(capsys: pytest.CaptureFixture[str], format: str) -> None:
    configure_logging("info", "json" if format == "json" else "console")

    def log_in(password: str) -> None:
        raise RuntimeError(len(password))

    try:
        log_in("sword" + "fish")
    except RuntimeError:
        structlog.get_logger("sample").exception("failed")

    output = "\n".join(lines(capsys))
    assert "log_in" in output
    assert "swordfish" not in output
