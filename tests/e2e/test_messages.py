"""Messages over HTTP: sending with an idempotency key, reading pages of messages and of the log."""

import asyncio

import pytest

from tests.support.client import User, new_command_id, post_json
from tests.support.factories import Connect
from tests.support.shapes import (
    EVENT_FIELDS,
    MESSAGE_FIELDS,
    Json,
    assert_fields,
    assert_time,
    assert_uuid7,
    invalid_request,
    ok,
    problem,
)

NOTHING = "01890000-0000-7000-8000-000000000000"


class TestSending:
    async def test_answers_with_the_message(self, room: Json, alice: User) -> None:
        message = ok(await alice.send(room["id"], "Guten Tag 👋"), 201)

        assert_fields(message, MESSAGE_FIELDS)
        assert_uuid7(message["id"])
        assert_time(message["at"])
        assert message["room_id"] == room["id"]
        assert message["sender_id"] == alice.id
        assert message["text"] == "Guten Tag 👋"
        assert message["seq"] == room["head"] + 1
        assert (message["reply_to"], message["edited_at"], message["deleted"]) == (None, None, False)
        assert message["reactions"] == {}

    @pytest.mark.parametrize("key", [new_command_id(), "my own key", "k" * 200], ids=["uuid", "text", "long"])
    async def test_twice_under_one_key_takes_effect_once(self, room: Json, alice: User, key: str) -> None:
        key = f"{key}"
        first = ok(await alice.send(room["id"], "once", key=key), 201)

        second = ok(await alice.send(room["id"], "once", key=key), 200)

        assert second == first
        assert await alice.texts(room["id"]) == ["once"]

    async def test_under_one_key_by_many_at_once_takes_effect_once(self, room: Json, alice: User) -> None:
        key = new_command_id()

        responses = await asyncio.gather(*(alice.send(room["id"], "once", key=key) for _ in range(8)))

        assert sorted(response.status_code for response in responses) == [*[200] * 7, 201]
        assert len({response.text for response in responses}) == 1
        assert await alice.texts(room["id"]) == ["once"]

    async def test_under_one_key_by_two_users_takes_effect_for_each(self, room: Json, alice: User, bob: User) -> None:
        key = new_command_id()

        ok(await alice.send(room["id"], "hers", key=key), 201)
        ok(await bob.send(room["id"], "his", key=key), 201)

        assert await alice.texts(room["id"]) == ["hers", "his"]

    async def test_without_a_key_is_refused(self, room: Json, alice: User) -> None:
        response = await alice.post(f"/rooms/{room['id']}/messages", {"text": "no key"})

        errors = invalid_request(response)
        assert [str(part).lower() for error in errors for part in error["loc"]] == ["header", "idempotency-key"]
        assert await alice.texts(room["id"]) == []

    @pytest.mark.parametrize("text", ["x" * 8000, "é" * 8000, "🎈" * 8000, " ", "\u200b", "\u202eabc", "a\r\nb\tc"])
    async def test_keeps_any_text_of_up_to_8000_characters_as_it_is(self, room: Json, alice: User, text: str) -> None:
        message = ok(await alice.send(room["id"], text), 201)

        assert message["text"] == text
        assert await alice.texts(room["id"]) == [text]

    async def test_of_more_than_8000_characters_is_too_long(self, room: Json, alice: User) -> None:
        problem(await alice.send(room["id"], "x" * 8001), 413, "too_long")

        assert await alice.texts(room["id"]) == []

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param({}, id="no-text"),
            pytest.param({"text": ""}, id="empty"),
            pytest.param({"text": None}, id="null"),
            pytest.param({"text": 1}, id="number"),
            pytest.param({"text": ["a"]}, id="list"),
            pytest.param({"text": "a\x00b"}, id="nul"),
            pytest.param({"text": "a\ud800b"}, id="lone-surrogate"),
            pytest.param({"text": "a", "reply_to": "b"}, id="reply-to-no-id"),
        ],
    )
    async def test_in_a_wrong_form_is_refused(self, room: Json, alice: User, body: Json) -> None:
        headers = {"Authorization": f"Bearer {alice.account.access_token}", "Idempotency-Key": new_command_id()}

        response = await post_json(alice.http, f"/api/v1/rooms/{room['id']}/messages", body, **headers)

        invalid_request(response)
        assert await alice.texts(room["id"]) == []

    async def test_can_reply_to_a_message_of_the_room(self, room: Json, alice: User, bob: User) -> None:
        question = ok(await alice.send(room["id"], "Tea?"), 201)

        reply = ok(await bob.send(room["id"], "Yes.", reply_to=question["id"]), 201)

        assert reply["reply_to"] == question["id"]

    async def test_can_not_reply_to_a_message_of_another_room(self, room: Json, alice: User) -> None:
        elsewhere = await alice.create_room()
        question = ok(await alice.send(elsewhere["id"], "Tea?"), 201)

        for reply_to in (question["id"], NOTHING):
            problem(await alice.send(room["id"], "Yes.", reply_to=reply_to), 404, "not_found")

        assert await alice.texts(room["id"]) == []

    async def test_reaches_those_who_are_connected(self, room: Json, alice: User, bob: User, connect: Connect) -> None:
        socket = await connect(bob)

        message = ok(await alice.send(room["id"], "by post"), 201)

        event = await socket.expect_text(room["id"], "by post")
        assert event["seq"] == message["seq"]
        assert event["data"]["message_id"] == message["id"]
        assert event["at"] == message["at"]


class TestMessages:
    async def test_are_read_newest_first_page_by_page(self, room: Json, alice: User, bob: User) -> None:
        sent = [ok(await alice.send(room["id"], f"number {number}"), 201) for number in range(7)]

        pages: list[list[Json]] = []
        before: dict[str, int] = {}
        while True:
            page = ok(await bob.get(f"/rooms/{room['id']}/messages", limit=3, **before))
            assert page.keys() == {"items", "next"}
            pages.append(page["items"])
            if page["next"] is None:
                break
            before = {"before": page["items"][-1]["seq"]}

        assert [message for page in pages for message in page] == sent[::-1]
        assert [len(page) for page in pages] == [3, 3, 1]

    async def test_from_before_one_joined_can_be_read(self, room: Json, alice: User, carol: User) -> None:
        ok(await alice.send(room["id"], "early"), 201)
        await alice.add(room["id"], carol)

        (message,) = ok(await carol.get(f"/rooms/{room['id']}/messages"))["items"]

        assert message["text"] == "early"

    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"before": "x"}, {"limit": 10**9}])
    async def test_by_a_wrong_page_are_refused_or_bounded(self, room: Json, alice: User, query: Json) -> None:
        response = await alice.get(f"/rooms/{room['id']}/messages", **query)

        if response.status_code != 200:
            invalid_request(response)


class TestLog:
    async def test_is_dense_and_tells_everything_in_order(self, alice: User, bob: User) -> None:
        room = await alice.create_room("private")
        await alice.add(room["id"], bob)
        message = ok(await bob.send(room["id"], "hello"), 201)
        await alice.add(room["id"], bob, "admin")
        ok(await alice.patch(f"/rooms/{room['id']}", {"name": "Renamed"}))
        await alice.remove(room["id"], bob)

        events = await alice.log(room["id"])

        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["kind"] for event in events] == [
            "member.joined",
            "member.joined",
            "message.posted",
            "member.role_changed",
            "room.updated",
            "member.removed",
        ]
        assert [event["actor_id"] for event in events] == [alice.id, alice.id, bob.id, alice.id, alice.id, alice.id]
        for event in events:
            assert_fields(event, EVENT_FIELDS)
            assert event["room_id"] == room["id"]
            assert_uuid7(event["id"])
            assert_time(event["at"])
        posted = events[2]
        assert posted["data"]["text"] == "hello"
        assert (posted["seq"], posted["at"]) == (message["seq"], message["at"])
        assert posted["data"]["message_id"] == message["id"]
        assert (await alice.room(room["id"]))["head"] == len(events)

    async def test_is_read_page_by_page_with_its_head(self, room: Json, alice: User) -> None:
        for number in range(5):
            ok(await alice.send(room["id"], f"number {number}"), 201)
        head = room["head"] + 5

        page = ok(await alice.get(f"/rooms/{room['id']}/events", after=room["head"], limit=2))

        assert [event["data"]["text"] for event in page["items"]] == ["number 0", "number 1"]
        assert page["head"] == head
        assert ok(await alice.get(f"/rooms/{room['id']}/events", after=head))["items"] == []

    @pytest.mark.parametrize("query", [{"after": -1}, {"after": "x"}, {"after": 2**63}, {"after": 0, "limit": 0}])
    async def test_by_a_wrong_page_is_refused(self, room: Json, alice: User, query: Json) -> None:
        invalid_request(await alice.get(f"/rooms/{room['id']}/events", **query))
