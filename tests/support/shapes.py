"""What every answer of the product looks like, whatever it is about."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

Json = dict[str, Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

ROOM_FIELDS = {"id", "kind", "name", "topic", "head", "role", "read_seq", "unread", "member_count", "created_at"}
MESSAGE_FIELDS = {
    *("id", "room_id", "seq", "sender_id", "sender", "text", "reply_to", "at", "edited_at", "deleted"),
    "reactions",
}
EVENT_FIELDS = {"room_id", "seq", "kind", "actor_id", "id", "at", "data"}
ACK_FIELDS = {"type", "id", "room_id", "seq", "message_id", "at", "duplicate"}


def assert_uuid7(value: object) -> None:
    assert isinstance(value, str)
    assert UUID(value).version == 7, f"{value} is not a UUID version 7"
    assert value == str(UUID(value)), f"{value} is not in the canonical form"


def assert_time(value: object) -> None:
    """RFC 3339 in UTC with milliseconds and `Z`, and not in the future."""
    assert isinstance(value, str)
    assert _TIME.fullmatch(value), f"{value} is not RFC 3339 with milliseconds and Z"
    assert (datetime.fromisoformat(value) - datetime.now(UTC)).total_seconds() < 5


def assert_fields(value: Json, fields: set[str]) -> None:
    assert fields <= value.keys(), f"missing: {fields - value.keys()}"


def problem(response: httpx.Response, status: int, code: str | None = None) -> Json:
    """The body of an error, which is problem+json (RFC 9457) with the given status and code."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text[:500]}"
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    body: Json = response.json()
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == status
    for field in ("type", "title", "detail", "code"):
        assert isinstance(body[field], str)
        assert body[field]
    if code is not None:
        assert body["code"] == code, f"{body['code']} instead of {code}: {body['detail']}"
    return body


def invalid_request(response: httpx.Response) -> list[Json]:
    """The errors of a 422, which name places and faults and never repeat what was sent."""
    errors: list[Json] = problem(response, 422, "invalid_request")["errors"]
    assert errors
    for error in errors:
        assert error.keys() == {"loc", "msg"}
        assert isinstance(error["loc"], list)
        assert isinstance(error["msg"], str)
    return errors


def ok(response: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer that has this status."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text[:500]}"
    return response.json()
