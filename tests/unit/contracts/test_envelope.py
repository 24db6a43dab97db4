import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import BATCH, SINGLE, Envelope, InvalidEnvelope, decode, encode
from contracts.messages import PAYLOADS, RoomTyping, SessionRevoked, UserProfileChanged

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
USER = UUID("01890000-0000-7000-8000-000000000001")
TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def envelope(display_name: str = "Ada", id: str = "1") -> Envelope:
    payload = UserProfileChanged(user_id=USER, username="ada", display_name=display_name, version=2)
    return Envelope(payload, id, TIME, TRACEPARENT)


def event(**changes: Any) -> dict[str, Any]:
    """A CloudEvent as it stands on the wire, with other attributes."""
    body, _ = encode([envelope()])
    return {**json.loads(body), **changes}


def test_one_event_is_structured_cloudevents_json() -> None:
    body, content_type = encode([envelope()])

    assert content_type == SINGLE == "application/cloudevents+json"
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/user_service",
        "type": "user.profile_changed.v1",
        "time": "2026-01-02T03:04:05.678Z",
        "datacontenttype": "application/json",
        "traceparent": TRACEPARENT,
        "data": {"user_id": str(USER), "username": "ada", "display_name": "Ada", "version": 2},
    }


def test_several_events_are_a_batch_in_order() -> None:
    body, content_type = encode([envelope(id="1"), envelope(id="2"), envelope(id="3")])

    assert content_type == BATCH == "application/cloudevents-batch+json"
    assert [event["id"] for event in json.loads(body)] == ["1", "2", "3"]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_what_is_encoded_comes_back_equal(names: list[str]) -> None:
    envelopes = [envelope(name, str(number)) for number, name in enumerate(names)]

    assert decode(*encode(envelopes)) == envelopes


def test_a_batch_may_hold_several_types() -> None:
    revoked = SessionRevoked(user_id=USER, session_id=None, reason="logout")
    envelopes = [envelope(), Envelope(revoked, "2", TIME, TRACEPARENT)]

    assert decode(*encode(envelopes)) == envelopes


def test_a_batch_of_one_and_of_none_can_be_read() -> None:
    assert decode(json.dumps([event()]).encode(), BATCH) == [envelope()]
    assert decode(b"[]", BATCH) == []


def test_a_time_in_another_zone_is_sent_in_utc() -> None:
    moment = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    body, _ = encode([Envelope(envelope().payload, "1", moment, TRACEPARENT)])

    assert json.loads(body)["time"] == "2026-01-02T03:04:05.678Z"


def test_the_content_type_may_have_parameters() -> None:
    body, content_type = encode([envelope(), envelope()])

    assert len(decode(body, f"{content_type}; charset=utf-8")) == 2


def test_fields_from_a_later_version_are_passed_over() -> None:
    later = event(priority=3)
    later["data"]["pronouns"] = "she/her"

    assert decode(json.dumps(later).encode(), SINGLE) == [envelope()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"{" * 100_000,
        json.dumps(event(specversion="0.3")).encode(),
        json.dumps(event(type="user.invented.v1")).encode(),
        json.dumps(event(type=None)).encode(),
        json.dumps(event(time="yesterday")).encode(),
        json.dumps(event(time="2026-01-02T03:04:05")).encode(),
        json.dumps(event(datacontenttype="text/plain")).encode(),
        json.dumps(event(data=None)).encode(),
        json.dumps(event(data={})).encode(),
        json.dumps(event(data=event()["data"] | {"user_id": "somebody"})).encode(),
        json.dumps(event(data=event()["data"] | {"display_name": "\ud800"})).encode(),
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)
def test_what_is_not_one_known_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidEnvelope):
        decode(body, SINGLE)


@given(st.binary())
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    for content_type in (SINGLE, BATCH):
        with suppress(InvalidEnvelope):
            assert decode(body, content_type) == []


def test_a_batch_with_one_bad_event_is_refused_whole() -> None:
    with pytest.raises(InvalidEnvelope):
        decode(json.dumps([event(), event(type="user.invented.v1")]).encode(), BATCH)


def test_the_reason_names_the_fault_and_nothing_of_the_content() -> None:
    bad = event(data={"user_id": "ada@example.com", "username": ["ada@example.com"], "version": "ada@example.com"})

    with pytest.raises(InvalidEnvelope) as caught:
        decode(json.dumps(bad).encode(), SINGLE)

    assert "user_id" in str(caught.value)
    assert "ada" not in str(caught.value)


def test_a_type_is_one_class_and_has_a_version() -> None:
    types = [payload.type for payload in PAYLOADS]

    assert len(set(types)) == len(types)
    for name in types:
        entity, *rest, version = name.split(".")
        assert entity
        assert rest
        assert version == "v1"


def test_a_source_is_the_service_that_says_so() -> None:
    sources = {payload.source for payload in PAYLOADS}

    assert sources == {"/user_service", "/chat_service", "/gateway_ws"}
    assert RoomTyping.source == "/gateway_ws"
