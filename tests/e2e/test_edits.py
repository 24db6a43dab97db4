"""Edits and deletions over WebSocket: what they do, who may, and what is left of what was said."""

import json

import pytest

from tests.support.client import Socket, User, new_command_id
from tests.support.factories import Connect, CreateUser
from tests.support.fold import fold, without_names
from tests.support.shapes import ACK_FIELDS, Json, assert_fields, assert_time, ok

NOTHING = "01890000-0000-7000-8000-000000000000"


async def acked(socket: Socket, command_id: str) -> Json:
    answer = await socket.answer(command_id)
    assert answer["type"] == "ack", answer
    return answer


async def refused(socket: Socket, command_id: str) -> str:
    """The code of the error that answers a command."""
    answer = await socket.answer(command_id)
    assert answer["type"] == "error", answer
    code: str = answer["code"]
    return code


async def assert_consistent(user: User, room: Json) -> None:
    """The messages are what the log makes of them."""
    assert without_names(await user.messages(room["id"])) == fold(await user.log(room["id"]))


class TestEditing:
    async def test_is_acked_told_to_everybody_and_shown(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, at_bob = await connect(alice), await connect(bob)
        posted = await at_alice.post(room["id"], "Good moaning")

        ack = await acked(at_alice, await at_alice.edit(room["id"], posted["message_id"], "Good morning 👋"))

        assert_fields(ack, ACK_FIELDS)
        assert_time(ack["at"])
        assert (ack["seq"], ack["message_id"], ack["duplicate"]) == (posted["seq"] + 1, posted["message_id"], False)
        for socket in (at_alice, at_bob):
            event = await socket.expect("event", room_id=room["id"], kind="message.edited")
            assert event["data"] == {"message_id": posted["message_id"], "text": "Good morning 👋"}
            assert (event["seq"], event["actor_id"], event["at"]) == (ack["seq"], alice.id, ack["at"])
        (message,) = await bob.messages(room["id"])
        assert (message["text"], message["edited_at"], message["at"]) == ("Good morning 👋", ack["at"], posted["at"])
        await assert_consistent(bob, room)

    async def test_of_what_was_posted_over_http_works_as_well(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)
        message = ok(await alice.send(room["id"], "by post", key="my letter"), 201)

        ack = await acked(socket, await socket.edit(room["id"], message["id"], "by socket"))

        edited = {**message, "text": "by socket", "edited_at": ack["at"]}
        assert await alice.messages(room["id"]) == [edited]
        assert ok(await alice.send(room["id"], "by post", key="my letter"), 200) == edited

    async def test_of_others_messages_or_of_none_is_refused(
        self, room: Json, alice: User, bob: User, carol: User, connect: Connect
    ) -> None:
        other = await bob.create_room()
        elsewhere = ok(await bob.send(other["id"], "elsewhere"), 201)
        message = ok(await bob.send(room["id"], "his"), 201)
        at_alice, at_bob, at_carol = await connect(alice), await connect(bob), await connect(carol)

        assert await refused(at_alice, await at_alice.edit(room["id"], message["id"], "hers")) == "forbidden"
        assert await refused(at_carol, await at_carol.edit(room["id"], message["id"], "hers")) == "not_a_member"
        assert await refused(at_bob, await at_bob.edit(room["id"], elsewhere["id"], "here")) == "not_found"
        assert await refused(at_bob, await at_bob.edit(room["id"], NOTHING, "nothing")) == "not_found"
        assert await bob.messages(room["id"]) == [message]
        assert (await bob.room(room["id"]))["head"] == message["seq"]

    @pytest.mark.parametrize(
        ("text", "code"), [("x" * 8001, "too_long"), ("", "bad_frame"), ("a\x00b", "bad_frame"), (5, "bad_frame")]
    )
    async def test_to_what_can_not_be_a_text_is_refused(
        self, room: Json, alice: User, connect: Connect, text: object, code: str
    ) -> None:
        socket = await connect(alice)
        message = ok(await alice.send(room["id"], "hello"), 201)
        command_id = new_command_id()

        await socket.command("edit", id=command_id, room_id=room["id"], message_id=message["id"], text=text)

        assert await refused(socket, command_id) == code
        assert await alice.messages(room["id"]) == [message]

    async def test_sent_again_takes_effect_once_and_gets_the_first_answer_over_any_connection(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        first, second = await connect(alice), await connect(alice)
        posted = await first.post(room["id"], "one")
        ack = await acked(first, await first.edit(room["id"], posted["message_id"], "two"))
        await acked(first, await first.edit(room["id"], posted["message_id"], "three"))

        again = await acked(second, await second.edit(room["id"], posted["message_id"], "two", id=ack["id"]))

        assert again == {**ack, "duplicate": True}
        assert [message["text"] for message in await alice.messages(room["id"])] == ["three"]
        assert (await alice.room(room["id"]))["head"] == posted["seq"] + 2


class TestDeleting:
    async def test_is_told_to_everybody_and_leaves_nothing_of_the_text(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, at_bob = await connect(alice), await connect(bob)
        posted = await at_alice.post(room["id"], "a slip of the tongue")
        edit = await acked(at_alice, await at_alice.edit(room["id"], posted["message_id"], "another slip"))
        await acked(at_bob, await at_bob.react(room["id"], posted["message_id"]))

        ack = await acked(at_alice, await at_alice.delete(room["id"], posted["message_id"]))

        for socket in (at_alice, at_bob):
            event = await socket.expect("event", room_id=room["id"], kind="message.deleted")
            assert event["data"] == {"message_id": posted["message_id"]}
            assert (event["seq"], event["actor_id"]) == (ack["seq"], alice.id)
        (message,) = await bob.messages(room["id"])
        assert (message["text"], message["deleted"], message["reactions"]) == ("", True, {})
        assert message["edited_at"] == edit["at"]
        log = await bob.log(room["id"], after=room["head"])
        assert [event["data"].get("text") for event in log] == [None] * 4
        assert "slip" not in json.dumps(log)
        await assert_consistent(bob, room)

    async def test_leaves_nothing_for_those_who_ask_again_or_come_back(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice = await connect(alice)
        posted = await at_alice.post(room["id"], "a slip")
        edit = await acked(at_alice, await at_alice.edit(room["id"], posted["message_id"], "a slip again"))
        deletion = await acked(at_alice, await at_alice.delete(room["id"], posted["message_id"]))

        at_bob = await connect(bob, resume={room["id"]: room["head"]})
        again = await connect(alice)
        for first, command_id in (
            (posted, await again.send(room["id"], "a slip", id=posted["id"])),
            (edit, await again.edit(room["id"], posted["message_id"], "a slip again", id=edit["id"])),
            (deletion, await again.delete(room["id"], posted["message_id"], id=deletion["id"])),
        ):
            assert await acked(again, command_id) == {**first, "duplicate": True}

        await at_bob.reach(room["id"], deletion["seq"])
        events = at_bob.received("event", room_id=room["id"])
        assert [(event["kind"], event["data"].get("text")) for event in events] == [
            ("message.posted", None),
            ("message.edited", None),
            ("message.deleted", None),
        ]
        assert (await alice.room(room["id"]))["head"] == deletion["seq"]

    async def test_of_others_messages_is_for_admins_and_the_owner(
        self, room: Json, alice: User, bob: User, carol: User, connect: Connect
    ) -> None:
        await alice.add(room["id"], carol)
        at_alice, at_bob, at_carol = await connect(alice), await connect(bob), await connect(carol)
        one, two, three = [(await at_carol.post(room["id"], f"number {number}"))["message_id"] for number in range(3)]
        hers = (await at_alice.post(room["id"], "the owner's"))["message_id"]

        assert await refused(at_bob, await at_bob.delete(room["id"], one)) == "forbidden"
        await acked(at_alice, await at_alice.delete(room["id"], one))
        await alice.add(room["id"], bob, "admin")
        await acked(at_bob, await at_bob.delete(room["id"], two))
        await acked(at_bob, await at_bob.delete(room["id"], hers))
        await acked(at_carol, await at_carol.delete(room["id"], three))

        assert all(message["deleted"] for message in await carol.messages(room["id"]))
        assert await refused(at_bob, await at_bob.delete(room["id"], two)) == "not_found"
        assert await refused(at_carol, await at_carol.edit(room["id"], three, "back again")) == "not_found"

    async def test_in_a_direct_room_is_of_ones_own_only(
        self, create_user: CreateUser, alice: User, connect: Connect
    ) -> None:
        other = await create_user()
        room = ok(await alice.post("/rooms/direct", {"user_id": other.id}), 201)
        at_alice, at_other = await connect(alice), await connect(other)
        message = (await at_alice.post(room["id"], "between us"))["message_id"]

        assert await refused(at_other, await at_other.delete(room["id"], message)) == "forbidden"
        await acked(at_alice, await at_alice.delete(room["id"], message))

        assert [one["deleted"] for one in await other.messages(room["id"])] == [True]

    async def test_leaves_what_is_unread_as_it_is(self, room: Json, alice: User, bob: User, connect: Connect) -> None:
        socket = await connect(alice)
        first = await socket.post(room["id"], "one")
        await socket.post(room["id"], "two")

        await acked(socket, await socket.edit(room["id"], first["message_id"], "uno"))
        await acked(socket, await socket.delete(room["id"], first["message_id"]))

        assert (await bob.room(room["id"]))["unread"] == 2


class TestOrder:
    async def test_commands_of_all_kinds_take_effect_in_the_order_sent(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket, listener = await connect(alice), await connect(bob)
        kept, gone = [(await socket.post(room["id"], text))["message_id"] for text in ("kept", "gone")]
        sent: list[tuple[str, str]] = []
        for number in range(10):
            sent += [
                (await socket.send(room["id"], f"number {number}"), "message.posted"),
                (await socket.edit(room["id"], kept, f"kept {number}"), "message.edited"),
                (await socket.react(room["id"], kept, "👍"), "reaction.added"),
                (await socket.react(room["id"], kept, "👍", on=False), "reaction.removed"),
                (await socket.edit(room["id"], gone, f"gone {number}"), "message.edited"),
            ]
        sent += [
            (await socket.delete(room["id"], gone), "message.deleted"),
            (await socket.react(room["id"], kept, "👋"), "reaction.added"),
        ]
        too_late = await socket.edit(room["id"], gone, "too late")

        seqs = [(await acked(socket, command_id))["seq"] for command_id, _ in sent]

        assert await refused(socket, too_late) == "not_found"
        assert seqs == list(range(room["head"] + 3, room["head"] + 3 + len(sent)))
        await listener.reach(room["id"], seqs[-1])
        told = listener.received("event", room_id=room["id"])[2:]
        assert [event["kind"] for event in told] == [kind for _, kind in sent]
        first, second, *_ = await bob.messages(room["id"])
        assert (first["text"], first["reactions"]) == ("kept 9", {"👋": [alice.id]})
        assert (second["text"], second["deleted"]) == ("", True)
        await assert_consistent(bob, room)


class TestResume:
    async def test_brings_what_was_changed_meanwhile(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, away = await connect(alice), await connect(bob)
        kept, gone = [await at_alice.post(room["id"], text) for text in ("kept", "gone")]
        await away.reach(room["id"], gone["seq"])
        await away.close()
        seen = away.received("event", room_id=room["id"])

        await acked(at_alice, await at_alice.edit(room["id"], kept["message_id"], "kept, better"))
        await acked(at_alice, await at_alice.edit(room["id"], gone["message_id"], "gone, worse"))
        await acked(at_alice, await at_alice.react(room["id"], kept["message_id"], "🎂"))
        await acked(at_alice, await at_alice.react(room["id"], kept["message_id"], "👍"))
        await acked(at_alice, await at_alice.react(room["id"], kept["message_id"], "👍", on=False))
        last = await acked(at_alice, await at_alice.delete(room["id"], gone["message_id"]))

        back = await connect(bob, resume=away.seen)

        await back.reach(room["id"], last["seq"])
        brought = back.received("event", room_id=room["id"])
        assert [event["data"].get("text") for event in brought] == ["kept, better", *[None] * 5]
        before = await bob.log(room["id"])
        assert fold([*before[: room["head"]], *seen, *brought]) == without_names(await bob.messages(room["id"]))
        await assert_consistent(bob, room)
