"""Talking over WebSocket: hello, sending, acks, events, repeats, order, passing news."""

import asyncio
import secrets
from uuid import uuid4

import pytest

from tests.support import tokens
from tests.support.client import Socket, User, new_command_id
from tests.support.factories import Connect
from tests.support.product import Product
from tests.support.shapes import (
    ACK_FIELDS,
    EVENT_FIELDS,
    ROOM_FIELDS,
    Json,
    assert_fields,
    assert_time,
    assert_uuid7,
    ok,
)

MANY_SOCKETS = 8
"""So many that with two gateways, chosen at random, hardly ever all end up on one."""


async def one_answer(socket: Socket, command_id: str) -> Json:
    """The answer to a command, after making sure that there is only one."""
    answer = await socket.answer(command_id)
    await socket.command("send", id=(barrier := new_command_id()), room_id=str(uuid4()), text="to nowhere")
    await socket.answer(barrier)
    assert socket.answers[command_id] == [answer]
    return answer


class TestHello:
    async def test_is_answered_with_who_and_where_one_is(self, room: Json, bob: User, connect: Connect) -> None:
        welcome = (await connect(bob)).welcome

        assert_fields(welcome, {"session_id", "user", "rooms", "epoch", "heartbeat_s", "limits"})
        assert welcome["user"].keys() >= {"id", "username", "display_name"}
        assert welcome["user"]["id"] == bob.id
        assert welcome["heartbeat_s"] > 0
        (mine,) = [item for item in welcome["rooms"] if item["id"] == room["id"]]
        assert_fields(mine, ROOM_FIELDS)
        assert mine == await bob.room(room["id"])

    async def test_shows_the_same_epoch_to_everybody(self, alice: User, bob: User, connect: Connect) -> None:
        sockets = [await connect(user) for user in (alice, bob, alice, bob)]

        assert len({socket.welcome["epoch"] for socket in sockets}) == 1

    @pytest.mark.parametrize(("asked", "given"), [("parley.v1", "parley.v1"), (None, None), ("other", None)])
    async def test_is_said_with_or_without_the_subprotocol(
        self, alice: User, connect: Connect, asked: str | None, given: str | None
    ) -> None:
        socket = await connect(alice, subprotocol=asked)

        assert socket.connection.subprotocol == given

    async def test_may_name_the_client(self, alice: User, open_raw: Connect) -> None:
        socket = await open_raw()

        await socket.hello(alice.account.access_token, client="parley tests")

    async def test_said_again_is_a_bad_frame_and_the_connection_goes_on(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        socket = await connect(alice)

        await socket.command("hello", token=alice.account.access_token)

        assert (await socket.expect("error"))["code"] == "bad_frame"
        await socket.post(room["id"], "still here")


class TestSending:
    async def test_is_acked_to_the_sender_and_told_to_everybody_on_every_gateway(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sender = await connect(alice)
        others = [await connect(user) for user in (alice, bob) for _ in range(MANY_SOCKETS // 2)]

        ack = await sender.post(room["id"], "Hello, everybody")

        assert_fields(ack, ACK_FIELDS)
        assert_uuid7(ack["message_id"])
        assert_time(ack["at"])
        assert (ack["room_id"], ack["seq"], ack["duplicate"]) == (room["id"], room["head"] + 1, False)
        for socket in (sender, *others):
            event = await socket.expect("event", room_id=room["id"], seq=ack["seq"])
            assert_fields(event, EVENT_FIELDS)
            assert (event["kind"], event["actor_id"]) == ("message.posted", alice.id)
            assert event["at"] == ack["at"]
            assert event["data"]["message_id"] == ack["message_id"]
            assert event["data"]["text"] == "Hello, everybody"
            assert event["data"]["reply_to"] is None
        assert all(socket.received("ack") == [] for socket in others)

    async def test_is_not_told_to_those_outside(
        self, room: Json, alice: User, bob: User, carol: User, connect: Connect
    ) -> None:
        outside = [await connect(carol) for _ in range(2)]
        inside = await connect(bob)

        await (await connect(alice)).post(room["id"], "between us")

        await inside.expect_text(room["id"], "between us")
        own = await carol.create_room()
        ok(await carol.send(own["id"], "a later thing"), 201)
        for socket in outside:
            await socket.expect_text(own["id"], "a later thing")
            assert socket.received("event", room_id=room["id"]) == []

    async def test_shows_in_the_history_at_once_after_the_ack(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(alice)

        for number in range(20):
            ack = await socket.post(room["id"], f"number {number}")
            newest = ok(await bob.get(f"/rooms/{room['id']}/messages", limit=1))["items"][0]
            assert (newest["id"], newest["seq"], newest["at"]) == (ack["message_id"], ack["seq"], ack["at"])

    async def test_can_reply(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)
        question = await socket.post(room["id"], "Tea?")

        await socket.post(room["id"], "Yes.", reply_to=question["message_id"])

        event = await socket.expect_text(room["id"], "Yes.")
        assert event["data"]["reply_to"] == question["message_id"]

    @pytest.mark.parametrize("text", ["x" * 8000, "🎈" * 8000, "\u202eabc\u200b", "line\nline", "</script>\u2028"])
    async def test_carries_any_text_unchanged(self, room: Json, alice: User, connect: Connect, text: str) -> None:
        socket = await connect(alice)

        await socket.post(room["id"], text)

        await socket.expect_text(room["id"], text)

    async def test_to_somebody_elses_room_is_refused(self, room: Json, carol: User, connect: Connect) -> None:
        socket = await connect(carol)

        answer = await one_answer(socket, await socket.send(room["id"], "let me in"))

        assert (answer["type"], answer["code"]) == ("error", "not_a_member")
        assert answer["detail"]

    async def test_to_no_room_is_refused(self, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        answer = await one_answer(socket, await socket.send(str(uuid4()), "anybody?"))

        assert answer["type"] == "error"
        assert answer["code"] in ("not_found", "not_a_member")

    async def test_of_too_long_a_text_is_refused(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        answer = await one_answer(socket, await socket.send(room["id"], "x" * 8001))

        assert (answer["type"], answer["code"]) == ("error", "too_long")
        assert await alice.texts(room["id"]) == []

    async def test_of_a_reply_to_nothing_is_refused(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        answer = await one_answer(socket, await socket.send(room["id"], "Yes.", reply_to=str(uuid4())))

        assert (answer["type"], answer["code"]) == ("error", "not_found")
        assert await alice.texts(room["id"]) == []


class TestRepeats:
    async def test_get_the_first_answer_on_any_connection(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        first = await (await connect(alice)).post(room["id"], "once", id=(command_id := new_command_id()))

        for _ in range(MANY_SOCKETS // 2):
            socket = await connect(alice)
            again = await one_answer(socket, await socket.send(room["id"], "once", id=command_id))
            assert again == {**first, "duplicate": True}

        assert await bob.texts(room["id"]) == ["once"]

    async def test_get_the_first_answer_over_http(self, room: Json, alice: User, connect: Connect) -> None:
        ack = await (await connect(alice)).post(room["id"], "once", id=(command_id := new_command_id()))

        message = ok(await alice.send(room["id"], "once", key=command_id), 200)

        assert (message["id"], message["seq"], message["at"]) == (ack["message_id"], ack["seq"], ack["at"])
        assert await alice.texts(room["id"]) == ["once"]

    async def test_get_the_first_answer_when_that_was_given_over_http(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        message = ok(await alice.send(room["id"], "once", key=(command_id := new_command_id())), 201)

        ack = await (await connect(alice)).post(room["id"], "once", id=command_id)

        assert ack["duplicate"]
        assert (ack["message_id"], ack["seq"], ack["at"]) == (message["id"], message["seq"], message["at"])
        assert await alice.texts(room["id"]) == ["once"]

    async def test_with_another_text_or_room_change_nothing(self, room: Json, alice: User, connect: Connect) -> None:
        other = await alice.create_room()
        socket = await connect(alice)
        first = await socket.post(room["id"], "the first", id=(command_id := new_command_id()))

        again = await connect(alice)
        answer = await one_answer(again, await again.send(other["id"], "the second", id=command_id))

        assert answer == {**first, "duplicate": True}
        assert await alice.texts(room["id"]) == ["the first"]
        assert await alice.texts(other["id"]) == []

    async def test_sent_at_once_on_many_connections_take_effect_once(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        sockets = [await connect(alice) for _ in range(MANY_SOCKETS)]
        command_id = new_command_id()

        acks = await asyncio.gather(*(socket.post(room["id"], "once", id=command_id) for socket in sockets))

        assert len({(ack["seq"], ack["message_id"], ack["at"]) for ack in acks}) == 1
        assert await alice.texts(room["id"]) == ["once"]

    async def test_sent_in_one_breath_are_answered_and_take_effect_once(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        socket = await connect(alice)
        command_id = new_command_id()
        for _ in range(3):
            await socket.send(room["id"], "once", id=command_id)

        await socket.answer(command_id)

        await socket.post(room["id"], "after")
        assert {(ack["type"], ack["seq"]) for ack in socket.answers[command_id]} == {("ack", room["head"] + 1)}
        assert await alice.texts(room["id"]) == ["once", "after"]

    async def test_under_the_same_id_of_another_user_are_none(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        command_id = new_command_id()

        hers = await (await connect(alice)).post(room["id"], "hers", id=command_id)
        his = await (await connect(bob)).post(room["id"], "his", id=command_id)

        assert not his["duplicate"]
        assert his["seq"] == hers["seq"] + 1


class TestOrder:
    async def test_of_one_connections_commands_is_the_order_sent(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sender, receiver = await connect(alice), await connect(bob)
        texts = [f"number {number}" for number in range(200)]

        ids = [await sender.send(room["id"], text) for text in texts]
        acks = [await sender.answer(command_id) for command_id in ids]

        assert [ack["type"] for ack in acks] == ["ack"] * 200
        assert [ack["seq"] for ack in acks] == list(range(room["head"] + 1, room["head"] + 201))
        assert await bob.texts(room["id"]) == texts
        await receiver.reach(room["id"], acks[-1]["seq"])
        assert [event["data"]["text"] for event in receiver.received("event", room_id=room["id"])] == texts

    async def test_is_the_same_for_everybody_and_dense_when_all_talk_at_once(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sockets = [await connect(user) for user in (alice, bob) for _ in range(3)]

        async def talk(socket: Socket) -> None:
            ids = [await socket.send(room["id"], secrets.token_hex(4)) for _ in range(20)]
            for command_id in ids:
                assert (await socket.answer(command_id))["type"] == "ack"

        async def talk_over_http(user: User) -> None:
            for _ in range(10):
                ok(await user.send(room["id"], secrets.token_hex(4)), 201)

        await asyncio.gather(*(talk(socket) for socket in sockets), talk_over_http(alice), talk_over_http(bob))

        log = await alice.log(room["id"])
        assert [event["seq"] for event in log] == list(range(1, room["head"] + 141))
        for socket in sockets:
            await socket.reach(room["id"], log[-1]["seq"])
            heard = [{name: frame[name] for name in EVENT_FIELDS} for frame in socket.received("event")]
            assert [event for event in heard if event["room_id"] == room["id"]] == [
                {name: event[name] for name in EVENT_FIELDS} for event in log[room["head"] :]
            ]


class TestPassingNews:
    async def test_of_a_read_mark_reaches_the_others_and_the_own_room_list(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        hers, his = await connect(alice), await connect(bob)
        ack = await hers.post(room["id"], "read this")
        assert (await bob.room(room["id"]))["unread"] > 0

        await his.command("read", room_id=room["id"], seq=ack["seq"])

        assert (await hers.expect("read", room_id=room["id"], user_id=bob.id))["seq"] == ack["seq"]
        mine = await bob.room(room["id"])
        assert (mine["read_seq"], mine["unread"]) == (ack["seq"], 0)

    async def test_of_a_read_mark_never_moves_it_back(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        hers, his = await connect(alice), await connect(bob)
        acks = [await hers.post(room["id"], f"number {number}") for number in range(3)]
        await his.command("read", room_id=room["id"], seq=acks[1]["seq"])
        await hers.expect("read", user_id=bob.id, seq=acks[1]["seq"])

        await his.command("read", room_id=room["id"], seq=acks[0]["seq"])
        await his.command("read", room_id=room["id"], seq=acks[2]["seq"])

        await hers.expect("read", user_id=bob.id, seq=acks[2]["seq"])
        assert [frame["seq"] for frame in hers.received("read", user_id=bob.id, room_id=room["id"])] == [
            acks[1]["seq"],
            acks[2]["seq"],
        ]
        assert (await bob.room(room["id"]))["read_seq"] == acks[2]["seq"]

    async def test_of_a_read_mark_never_passes_the_head(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        hers, his = await connect(alice), await connect(bob)

        await his.command("read", room_id=room["id"], seq=room["head"] + 1000)
        ack = await hers.post(room["id"], "after")
        await his.command("read", room_id=room["id"], seq=ack["seq"])

        await hers.expect("read", user_id=bob.id, seq=ack["seq"])
        assert (await bob.room(room["id"]))["read_seq"] == ack["seq"]

    async def test_of_typing_reaches_the_others_and_not_the_log(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        hers, his = await connect(alice), await connect(bob)

        await his.command("typing", room_id=room["id"], on=True)
        await hers.expect("typing", room_id=room["id"], user_id=bob.id, on=True)
        await his.command("typing", room_id=room["id"], on=False)
        await hers.expect("typing", room_id=room["id"], user_id=bob.id, on=False)

        assert (await alice.room(room["id"]))["head"] == room["head"]

    async def test_from_outside_reaches_nobody(
        self, room: Json, alice: User, bob: User, carol: User, connect: Connect
    ) -> None:
        hers, outside = await connect(alice), await connect(carol)

        await outside.command("typing", room_id=room["id"], on=True)
        await outside.command("read", room_id=room["id"], seq=1)
        await outside.answer(await outside.send(room["id"], "a barrier"))

        his = await connect(bob)
        await his.command("typing", room_id=room["id"], on=True)
        await hers.expect("typing", user_id=bob.id)
        assert hers.received("typing", user_id=carol.id) == hers.received("read", user_id=carol.id) == []


class TestTokens:
    async def test_that_expire_soon_are_announced_and_can_be_replaced(
        self, room: Json, alice: User, open_raw: Connect, product: Product
    ) -> None:
        socket = await open_raw()
        await socket.hello(tokens.expiring(alice.account.access_token, product.signing_key, in_s=3))

        expiring = await socket.expect("token_expiring")
        assert 0 <= expiring["expires_in"] <= 3
        await socket.command("refresh", token=alice.account.access_token)

        # the first token's end passes without consequence
        with pytest.raises(AssertionError, match="no a close within"):
            await socket.close_code(within=4)
        await socket.post(room["id"], "still here")

    async def test_that_expire_unreplaced_end_the_connection(
        self, alice: User, open_raw: Connect, product: Product
    ) -> None:
        socket = await open_raw()
        await socket.hello(tokens.expiring(alice.account.access_token, product.signing_key, in_s=2))

        assert await socket.close_code() == 4001

    async def test_of_somebody_else_are_no_replacement(
        self, alice: User, bob: User, connect: Connect, room: Json
    ) -> None:
        socket = await connect(alice)

        await socket.command("refresh", token=bob.account.access_token)

        async def refused() -> str:
            await socket.news()
            return "close" if socket.closed else "error"

        if await refused() == "close":
            assert await socket.close_code() == 4001
        else:
            assert (await socket.expect("error"))["code"] == "unauthorized"
            ack = await socket.post(room["id"], "still alice")
            (event,) = [event for event in await alice.log(room["id"]) if event["seq"] == ack["seq"]]
            assert event["actor_id"] == alice.id
