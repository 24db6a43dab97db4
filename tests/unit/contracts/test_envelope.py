import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.envelope import BATCH, SINGLE, Envelope, Reader, encode
from contracts.messages import PAYLOADS, Payload, SessionRevoked, UserProfileChanged

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
USER = UUID("01890000-0000-7000-8000-000000000001")
TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def uuid(number: int) -> UUID:
    return UUID(int=number)


def envelope(display_name: str = "Ada", number: int = 1) -> Envelope[Payload]:
    payload = UserProfileChanged(user_id=USER, username="ada", display_name=display_name, version=2)
    return Envelope(payload, uuid(number), TIME, TRACEPARENT)


def read(body: bytes, content_type: str = SINGLE) -> tuple[list[Envelope[Payload]], list[str]]:
    return Reader(*PAYLOADS).read(body, content_type)


def event(**changes: Any) -> dict[str, Any]:
    """A CloudEvent as it stands on the wire, with other attributes."""
    body, _ = encode([envelope()])
    return {**json.loads(body), **changes}


def test_one_event_is_structured_cloudevents_json() -> None:
    body, content_type = encode([envelope()])

    assert content_type == SINGLE == "application/cloudevents+json"
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": str(uuid(1)),
        "source": "/user_service",
        "type": "user.profile_changed.v1",
        "time": "2026-01-02T03:04:05.678Z",
        "datacontenttype": "application/json",
        "traceparent": TRACEPARENT,
        "data": {"user_id": str(USER), "username": "ada", "display_name": "Ada", "version": 2},
    }


def test_several_events_are_a_batch_in_order() -> None:
    body, content_type = encode([envelope(number=number) for number in (1, 2, 3)])

    assert content_type == BATCH == "application/cloudevents-batch+json"
    assert [event["id"] for event in json.loads(body)] == [str(uuid(number)) for number in (1, 2, 3)]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_what_is_encoded_comes_back_equal(names: list[str]) -> None:
    envelopes = [envelope(name, number) for number, name in enumerate(names)]

    assert read(*encode(envelopes)) == (envelopes, [])


def test_a_batch_may_hold_several_types() -> None:
    revoked = SessionRevoked(user_id=USER, session_id=None, reason="logout")
    envelopes = [envelope(), Envelope(revoked, uuid(2), TIME, TRACEPARENT)]

    assert read(*encode(envelopes)) == (envelopes, [])


def test_a_batch_of_one_and_of_none_can_be_read() -> None:
    assert read(json.dumps([event()]).encode(), BATCH) == ([envelope()], [])
    assert read(b"[]", BATCH) == ([], [])


def test_a_time_in_another_zone_is_sent_in_utc() -> None:
    moment = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    body, _ = encode([Envelope(envelope().payload, uuid(1), moment, TRACEPARENT)])

    assert json.loads(body)["time"] == "2026-01-02T03:04:05.678Z"


def test_the_content_type_may_have_parameters() -> None:
    body, content_type = encode([envelope(), envelope()])

    envelopes, faults = read(body, f"{content_type}; charset=utf-8")
    assert (len(envelopes), faults) == (2, [])


def test_fields_from_a_later_version_are_passed_over() -> None:
    later = event(priority=3)
    later["data"]["pronouns"] = "she/her"

    assert read(json.dumps(later).encode()) == ([envelope()], [])


def test_a_field_that_is_not_declared_can_not_be_written() -> None:
    fields: dict[str, Any] = {"user_id": USER, "username": "ada", "display_name": "Ada", "version": 2}

    with pytest.raises(ValidationError):
        UserProfileChanged(**fields, pronouns="she/her")  # type: ignore[call-arg]


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
    envelopes, faults = read(body)

    assert envelopes == []
    assert len(faults) == 1


@given(st.binary())
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    for content_type in (SINGLE, BATCH):
        assert read(body, content_type)[0] == []


def test_the_good_events_of_a_batch_are_read_and_the_places_of_the_bad_ones_told() -> None:
    body = json.dumps([event(), event(type="user.invented.v1"), event(data={}), event(id=str(uuid(4)))]).encode()

    envelopes, (second, third) = read(body, BATCH)

    assert [envelope.id for envelope in envelopes] == [uuid(1), uuid(4)]
    assert second == "event 2 of 4: unknown type 'user.invented.v1'"
    assert third.startswith("event 3 of 4: user_id: Field required")


def test_another_version_of_a_known_type_is_called_so() -> None:
    _, faults = read(json.dumps(event(type="user.profile_changed.v2")).encode())

    assert faults == ["another version of user.profile_changed.v1: 'user.profile_changed.v2'"]


def test_a_reader_knows_the_types_that_it_was_made_for() -> None:
    body, content_type = encode([envelope()])

    assert Reader(SessionRevoked).read(body, content_type) == ([], ["unknown type 'user.profile_changed.v1'"])


def test_the_reason_names_the_fault_and_nothing_of_the_content() -> None:
    bad = event(data={"user_id": "ada@example.com", "username": ["ada@example.com"], "version": "ada@example.com"})

    _, (fault,) = read(json.dumps(bad).encode())

    assert "user_id" in fault
    assert "ada" not in fault


def test_a_type_is_one_class_and_has_a_version() -> None:
    types = [payload.type for payload in PAYLOADS]

    assert len(set(types)) == len(types)
    for name in types:
        entity, *rest, version = name.split(".")
        assert entity
        assert rest
        assert re.fullmatch(r"v[1-9]\d*", version)
