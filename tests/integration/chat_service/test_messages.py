"""Messages and the log over HTTP."""

import asyncio
from uuid import uuid4

import pytest

from common.ids import uuid7
from contracts.messages import RoomEntry
from tests.support.chat_service import ChatService, mark, mute, react, send
from tests.support.client import User
from tests.support.shapes import EVENT_FIELDS, MESSAGE_FIELDS, Json, assert_time, invalid_request, ok, problem


async def unread(user: User, room: Json) -> int:
    count: int = (await user.room(room["id"]))["unread"]
    return count


class TestPosting:
    async def test_answers_with_the_message_and_tells_the_listeners(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        command_id = uuid4()

        message = ok(await alice.send(room["id"], "Guten Tag", key=str(command_id)), 201)

        assert message.keys() == MESSAGE_FIELDS
        assert_time(message["at"])
        entry = (await service.hear(RoomEntry, 3))[-1]
        assert entry.command_id == command_id
        assert (str(entry.id), entry.seq, entry.data) == (
            message["id"],
            message["seq"],
            {"message_id": message["id"], "text": "Guten Tag", "reply_to": None},
        )
        assert (message["seq"], message["sender_id"]) == (3, alice.id)
        names = {"username": alice.account.username, "display_name": alice.account.display_name}
        assert message["sender"] == {"id": alice.id, **names}
        assert (message["reply_to"], message["edited_at"], message["deleted"], message["reactions"]) == (
            None, None, False, {},
        )  # fmt: skip

    async def test_with_one_key_takes_effect_once_and_always_gets_the_first_answer(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        first = ok(await alice.send(room["id"], "once", key="my key"), 201)

        for response in await asyncio.gather(*(alice.send(room["id"], "twice?", key="my key") for _ in range(5))):
            assert ok(response, 200) == first

        assert await alice.texts(room["id"]) == ["once"]
        assert len(await service.hear(RoomEntry, 3)) == 3

    async def test_with_one_key_at_the_same_instant_takes_effect_once(self, room: Json, alice: User) -> None:
        responses = await asyncio.gather(*(alice.send(room["id"], "once", key="my key") for _ in range(10)))

        assert sorted(response.status_code for response in responses) == [*[200] * 9, 201]
        assert len({response.text for response in responses}) == 1

    async def test_with_one_key_in_two_rooms_at_the_same_instant_takes_effect_in_one(
        self, room: Json, alice: User
    ) -> None:
        other = await alice.create_room()

        for number in range(5):
            key = f"key {number}"
            responses = await asyncio.gather(*(alice.send(one["id"], "once", key=key) for one in (room, other)))
            assert sorted(response.status_code for response in responses) == [200, 201]
            assert len({response.text for response in responses}) == 1

        logs = [await alice.log(one["id"]) for one in (room, other)]
        assert [[event["seq"] for event in log] for log in logs] == [[*range(1, len(log) + 1)] for log in logs]
        assert sum(len(log) for log in logs) == 3 + 5

    async def test_with_the_id_of_a_command_sent_by_socket_in_another_room_gets_that_message(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        other = await alice.create_room()
        command_id = uuid4()
        await service.command(send(other, alice, "by socket", id=command_id))

        repeat = ok(await alice.send(room["id"], "by post", key=str(command_id)), 200)

        assert (repeat["room_id"], repeat["text"]) == (other["id"], "by socket")
        assert await alice.texts(room["id"]) == []

    async def test_with_the_id_of_a_command_that_posted_nothing_is_refused_and_shows_nothing(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        message = ok(await alice.send(room["id"], "for members"), 201)
        reaction = react(room, bob, message)
        await service.command(reaction)
        await alice.remove(room["id"], bob)

        response = await bob.send(room["id"], "hello", key=str(reaction.command_id))

        assert problem(response, 422, "invalid_request")["errors"][0]["loc"] == ["header", "Idempotency-Key"]

    async def test_with_a_key_of_somebody_else_takes_effect(self, room: Json, alice: User, bob: User) -> None:
        ok(await alice.send(room["id"], "hers", key="k"), 201)
        ok(await bob.send(room["id"], "his", key="k"), 201)

    async def test_is_repeated_even_by_somebody_who_is_no_longer_a_member(
        self, room: Json, alice: User, bob: User
    ) -> None:
        first = ok(await bob.send(room["id"], "once", key="k"), 201)
        await alice.remove(room["id"], bob)

        assert ok(await bob.send(room["id"], "once", key="k"), 200) == first
        problem(await bob.send(room["id"], "another", key="other"), 403, "not_a_member")

    async def test_replies_to_a_message_of_the_same_room(self, room: Json, alice: User, bob: User) -> None:
        question = ok(await alice.send(room["id"], "Tea?"), 201)

        reply = ok(await bob.send(room["id"], "Yes.", reply_to=question["id"]), 201)

        assert reply["reply_to"] == question["id"]
        assert (await alice.log(room["id"]))[-1]["data"]["reply_to"] == question["id"]
        assert ok(await alice.get(f"/rooms/{room['id']}/messages"))["items"][0] == reply

    async def test_that_is_refused_can_be_tried_again_with_the_same_key(self, room: Json, alice: User) -> None:
        elsewhere = ok(await alice.send((await alice.create_room())["id"], "elsewhere"), 201)
        for reply_to in (elsewhere["id"], str(uuid7())):
            problem(await alice.send(room["id"], "a", key="k", reply_to=reply_to), 404, "not_found")
        problem(await alice.send(room["id"], "x" * 8001, key="k"), 413, "too_long")

        ok(await alice.send(room["id"], "x" * 8000, key="k"), 201)

    async def test_by_the_muted_is_refused_until_then(self, database_url: str, room: Json, bob: User) -> None:
        await mute(database_url, room, bob, 3600)

        response = await bob.send(room["id"], "a", key="k")

        problem(response, 403, "muted")
        assert 3000 < int(response.headers["Retry-After"]) <= 3600
        await mute(database_url, room, bob, -1)
        ok(await bob.send(room["id"], "a", key="k"), 201)

    async def test_from_outside_is_refused(self, room: Json, alice: User, carol: User) -> None:
        public = await alice.create_room("public")

        for one in (room, public):
            problem(await carol.send(one["id"], "hello?"), 403, "not_a_member")
        problem(await carol.send(str(uuid7()), "hello?"), 404, "not_found")

    @pytest.mark.parametrize(
        "body",
        [{}, {"text": ""}, {"text": "a\x00"}, {"text": 1}, {"text": "a", "reply_to": "b"}, {"text": "a", "id": "b"}],
    )
    async def test_in_a_wrong_form_is_refused(self, room: Json, alice: User, body: Json) -> None:
        path, headers = f"/rooms/{room['id']}/messages", {"Idempotency-Key": "k"}

        invalid_request(await alice.request("POST", path, json=body, headers=headers))

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 256}])
    async def test_without_a_key_is_refused(self, room: Json, alice: User, headers: dict[str, str]) -> None:
        path = f"/rooms/{room['id']}/messages"

        errors = invalid_request(await alice.request("POST", path, json={"text": "a"}, headers=headers))

        assert errors[0]["loc"] == ["header", "Idempotency-Key"]


class TestPages:
    async def test_of_messages_are_newest_first(self, room: Json, alice: User, bob: User) -> None:
        sent = [ok(await alice.send(room["id"], f"number {number}"), 201) for number in range(5)]
        ok(await alice.patch(f"/rooms/{room['id']}", {"topic": "in between"}))
        sent.append(ok(await bob.send(room["id"], "the last"), 201))
        path = f"/rooms/{room['id']}/messages"

        first = ok(await bob.get(path, limit=4))
        second = ok(await bob.get(path, limit=4, before=first["next"]))

        assert first["items"] + second["items"] == sent[::-1]
        assert (first["next"], second["next"]) == (first["items"][-1]["seq"], None)

    async def test_of_events_are_in_order_and_tell_the_head(self, room: Json, alice: User, bob: User) -> None:
        for number in range(3):
            ok(await alice.send(room["id"], f"number {number}"), 201)
        path = f"/rooms/{room['id']}/events"

        page = ok(await bob.get(path, after=1, limit=2))

        assert page["head"] == 5
        assert [event["seq"] for event in page["items"]] == [2, 3]
        assert page["items"][0].keys() == EVENT_FIELDS
        assert ok(await bob.get(path, after=5)) == {"items": [], "head": 5}
        assert ok(await bob.get(path, after=2**53 - 1)) == {"items": [], "head": 5}

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("messages", {"limit": 0}),
            ("messages", {"limit": 201}),
            ("messages", {"before": -1}),
            ("messages", {"before": 2**53}),
            ("messages", {"before": "x"}),
            ("events", {"limit": 0}),
            ("events", {"limit": 501}),
            ("events", {"after": -1}),
            ("events", {"after": 2**53}),
            ("events", {"after": "x"}),
        ],
    )
    async def test_of_a_wrong_form_are_refused(self, room: Json, alice: User, path: str, query: Json) -> None:
        invalid_request(await alice.get(f"/rooms/{room['id']}/{path}", **query))

    async def test_are_for_members(self, room: Json, carol: User) -> None:
        for path in ("messages", "events"):
            problem(await carol.get(f"/rooms/{room['id']}/{path}"), 403, "not_a_member")
            problem(await carol.get(f"/rooms/{uuid7()}/{path}"), 404, "not_found")


class TestUnread:
    async def test_counts_the_messages_of_others_after_the_read_mark(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        assert (await unread(alice, room), await unread(bob, room)) == (0, 0)

        sent = [ok(await alice.send(room["id"], f"number {number}"), 201) for number in range(4)]
        ok(await alice.patch(f"/rooms/{room['id']}", {"topic": "no message"}))
        assert (await unread(alice, room), await unread(bob, room)) == (0, 4)

        await service.command(mark(room, bob, sent[1]["seq"]))
        assert await unread(bob, room) == 2

        ok(await bob.send(room["id"], "my own"), 201)
        ok(await alice.send(room["id"], "one more"), 201)
        assert (await unread(alice, room), await unread(bob, room)) == (1, 3)

        await service.command(mark(room, bob, 2**53 - 1))
        seen = await bob.room(room["id"])
        assert (seen["unread"], seen["read_seq"]) == (0, seen["head"])

    async def test_is_what_a_count_would_find_after_anything(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        await service.command(send(room, alice), send(room, bob), mark(room, alice, 4), send(room, bob))
        await service.command(mark(room, bob, 3), send(room, bob))
        await alice.add(room["id"], carol)
        await service.command(send(room, carol), mark(room, bob, 4), send(room, alice), mark(room, carol, 9))

        log = await bob.log(room["id"])
        for user in (alice, bob, carol):
            seen = await user.room(room["id"])
            assert seen["unread"] == sum(
                event["kind"] == "message.posted" and event["actor_id"] != user.id and event["seq"] > seen["read_seq"]
                for event in log
            )
        assert [(await user.room(room["id"]))["read_seq"] for user in (alice, bob)] == [4, 4]
