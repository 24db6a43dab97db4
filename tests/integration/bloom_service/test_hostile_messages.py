"""Messages that user_service would never send end as dead letters with the reason, and the service goes on."""

import json
from typing import Any

import pytest

from contracts.envelope import BATCH, SINGLE
from contracts.messages import UserDeleted, UserRegistered
from contracts.routing import EVENTS
from messaging.bus import Message
from tests.support.bloom_service import BloomService, message, new_digest, registered

NAME = UserRegistered.type


def raw(body: bytes, content_type: str = SINGLE, key: str = NAME) -> Message:
    return Message(EVENTS, key, body, key, "hostile", content_type)


def changed(**attributes: Any) -> Message:
    """A registration with other attributes in its envelope, or other `data`."""
    event = json.loads(message(registered(new_digest())).body)
    data = attributes.pop("data", {})
    return raw(json.dumps({**event, **attributes, "data": {**event["data"], **data}}).encode())


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        pytest.param(raw(b""), "JSON", id="empty"),
        pytest.param(raw(b"\xff\xfe\x00"), "JSON", id="not-utf-8"),
        pytest.param(raw(b"null"), "object", id="null"),
        pytest.param(raw(b"[" * 100_000), "JSON", id="deep"),
        pytest.param(raw(b"{}"), "Field required", id="nothing-in-it"),
        pytest.param(raw(b"[{}]", BATCH), "Field required", id="batch-of-nothing"),
        pytest.param(changed(type="user.invented.v1"), "unknown type", id="unknown-type"),
        pytest.param(changed(specversion="2.0"), "specversion", id="another-specification"),
        pytest.param(changed(id="1"), "valid UUID", id="id-that-is-no-uuid"),
        pytest.param(changed(data={"email_digest": "ab"}), "email_digest", id="short-digest"),
        pytest.param(changed(data={"email_digest": "x" * 64}), "email_digest", id="digest-that-is-not-hex"),
        pytest.param(changed(data={"email_digest": new_digest() * 2}), "email_digest", id="long-digest"),
        pytest.param(
            raw(
                json.dumps(
                    json.loads(message(registered(new_digest())).body) | {"type": "chat.send.v1", "data": {}}
                ).encode()
            ),
            "unknown type",
            id="a-command-without-content",
        ),
    ],
)
async def test_is_put_away_with_the_reason_and_the_next_are_handled(
    ready: BloomService, hostile: Message, reason: str
) -> None:
    before, after = registered(new_digest()), registered(new_digest())
    await ready.users.commit(before, after)

    await ready.users.publish(message(before), hostile, message(after))

    assert reason in (await ready.reasons(1))[0]
    assert [delivery.body for delivery in ready.dead_letters.deliveries] == [hostile.body]
    await ready.answers()
    assert await ready.might_exist(before.email_digest, after.email_digest) == [True, True]
    assert (await ready.stats())["count"] == 2


async def test_a_registration_that_is_not_understood_never_makes_a_wrong_no(ready: BloomService) -> None:
    somebody = registered(new_digest())
    await ready.users.commit(somebody)
    ready.users.export.status = 503

    await ready.users.publish(changed(data={"email_digest": 5}))

    await ready.is_behind("made anew")
    ready.users.export.status = 200
    await ready.answers()
    assert await ready.might_exist(somebody.email_digest) == [True]


async def test_says_nothing_of_the_content_in_the_reason(ready: BloomService) -> None:
    await ready.users.publish(changed(data={"email_digest": "ada@example.com", "version": "ada@example.com"}))

    assert "ada" not in (await ready.reasons(1))[0]


async def test_a_message_of_another_kind_is_put_away(ready: BloomService) -> None:
    body = message(registered(new_digest())).body
    event = json.loads(body) | {"type": "session.revoked.v1"}
    event["data"] = {"user_id": event["data"]["user_id"], "session_id": None, "reason": "logout"}

    await ready.users.publish(raw(json.dumps(event).encode(), key=UserDeleted.type))

    assert "unknown type" in (await ready.reasons(1))[0]


async def test_a_batch_is_handled_as_one(ready: BloomService) -> None:
    digests = [new_digest() for _ in range(5)]

    await ready.users.publish(message(*(registered(digest) for digest in digests)))

    assert await ready.might_exist(*digests) == [True] * 5
