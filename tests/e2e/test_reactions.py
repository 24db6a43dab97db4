"""Reactions over WebSocket."""

import pytest

from tests.support.client import Socket, User, new_command_id
from tests.support.factories import Connect
from tests.support.fold import fold, without_names
from tests.support.shapes import Json, ok

NOTHING = "01890000-0000-7000-8000-000000000000"
MOST = 50


@pytest.fixture
async def message(room: Json, alice: User) -> Json:
    message: Json = ok(await alice.send(room["id"], "Cake!"), 201)
    return message


async def react(socket: Socket, message: Json, emoji: str, *, on: bool = True) -> Json:
    """The answer to a reaction."""
    return await socket.answer(await socket.react(message["room_id"], message["id"], emoji, on=on))


async def reactions(user: User, message: Json) -> list[tuple[str, list[str]]]:
    """As they are shown at the room's only message, which has to be as the log tells."""
    shown = without_names(await user.messages(message["room_id"]))
    assert shown == fold(await user.log(message["room_id"]))
    return list(shown[0]["reactions"].items())


class TestReacting:
    async def test_is_acked_told_to_everybody_and_shown_in_the_order_they_came(
        self, room: Json, message: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, at_bob = await connect(alice), await connect(bob)

        ack = await react(at_bob, message, "🎂")
        await react(at_alice, message, "👍")
        await react(at_alice, message, "🎂")

        assert (ack["type"], ack["seq"], ack["message_id"]) == ("ack", message["seq"] + 1, message["id"])
        for socket in (at_alice, at_bob):
            event = await socket.expect("event", room_id=room["id"], seq=ack["seq"])
            assert (event["kind"], event["actor_id"]) == ("reaction.added", bob.id)
            assert event["data"] == {"message_id": message["id"], "emoji": "🎂"}
        assert await reactions(bob, message) == [("🎂", [bob.id, alice.id]), ("👍", [alice.id])]

    async def test_twice_is_shown_once_and_can_be_taken_back_once(
        self, message: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, at_bob = await connect(alice), await connect(bob)

        answers = [
            await react(at_bob, message, "🎂"),
            await react(at_bob, message, "🎂"),
            await react(at_alice, message, "🎂", on=False),  # hers was not there
        ]
        assert await reactions(bob, message) == [("🎂", [bob.id])]
        answers += [await react(at_bob, message, "🎂", on=False), await react(at_bob, message, "🎂", on=False)]

        assert await reactions(bob, message) == []
        assert [(answer["seq"], answer["duplicate"]) for answer in answers] == [
            (message["seq"] + number, False) for number in range(1, 6)
        ]

    @pytest.mark.parametrize(
        "emoji", ["👍🏽", "👩🏽\u200d🚀", "🇺🇳", "❤\ufe0f", "1\ufe0f\u20e3", ":shipit:", "+1", "x" * 64], ids=ascii
    )
    async def test_is_done_with_any_emoji_or_a_name_for_one(
        self, message: Json, alice: User, connect: Connect, emoji: str
    ) -> None:
        assert (await react(await connect(alice), message, emoji))["type"] == "ack"

        assert await reactions(alice, message) == [(emoji, [alice.id])]

    @pytest.mark.parametrize("emoji", ["", " ", "thumbs up", "a\tb", "\x00", "x" * 65], ids=ascii)
    async def test_with_what_is_no_emoji_is_refused(
        self, message: Json, alice: User, connect: Connect, emoji: str
    ) -> None:
        answer = await react(await connect(alice), message, emoji)

        assert (answer["type"], answer["code"]) == ("error", "bad_frame")
        assert await reactions(alice, message) == []

    async def test_to_what_is_not_there_or_from_outside_is_refused(
        self, room: Json, message: Json, alice: User, carol: User, connect: Connect
    ) -> None:
        elsewhere = ok(await carol.send((await carol.create_room())["id"], "elsewhere"), 201)
        at_alice, at_carol = await connect(alice), await connect(carol)

        assert (await react(at_carol, message, "👍"))["code"] == "not_a_member"
        assert (await react(at_carol, {**elsewhere, "id": NOTHING}, "👍"))["code"] == "not_found"
        assert (await react(at_alice, {**elsewhere, "room_id": room["id"]}, "👍"))["code"] == "not_found"
        await at_alice.answer(await at_alice.delete(room["id"], message["id"]))
        assert (await react(at_alice, message, "👍"))["code"] == "not_found"

    async def test_with_more_than_fifty_different_emojis_is_refused(
        self, message: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        at_alice, at_bob = await connect(alice), await connect(bob)
        sent = [await at_alice.react(message["room_id"], message["id"], f":{number}:") for number in range(MOST)]
        assert {(await at_alice.answer(command_id))["type"] for command_id in sent} == {"ack"}

        assert (await react(at_bob, message, "👍"))["code"] == "forbidden"
        assert (await react(at_bob, message, ":0:"))["type"] == "ack"
        assert (await react(at_alice, message, ":1:", on=False))["type"] == "ack"
        assert (await react(at_bob, message, "👍"))["type"] == "ack"

        assert len(await reactions(bob, message)) == MOST

    async def test_sent_again_takes_effect_once_and_gets_the_first_answer_over_any_connection(
        self, room: Json, message: Json, alice: User, connect: Connect
    ) -> None:
        first, second = await connect(alice), await connect(alice)
        command_id = new_command_id()
        ack = await first.answer(await first.react(room["id"], message["id"], id=command_id))
        await react(first, message, "👍", on=False)

        again = await second.answer(await second.react(room["id"], message["id"], id=command_id))

        assert again == {**ack, "duplicate": True}
        assert await reactions(alice, message) == []

    async def test_leaves_what_is_unread_as_it_is(
        self, room: Json, message: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        await react(await connect(alice), message, "👍")

        assert (await bob.room(room["id"]))["unread"] == 1
