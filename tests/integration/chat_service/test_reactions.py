"""Reactions by the bus."""

import pytest

from chat_service.rules import MAX_EMOJIS
from common.ids import uuid7
from contracts.messages import CommandAccepted, CommandRefused, Refusal, RoomEntry
from tests.support.chat_service import ChatService, delete, mute, react
from tests.support.client import User
from tests.support.shapes import Json, ok

MANY = [f":{number}:" for number in range(MAX_EMOJIS)]


@pytest.fixture
async def message(room: Json, alice: User) -> Json:
    message: Json = ok(await alice.send(room["id"], "Cake!"), 201)
    return message


async def reactions(user: User, room: Json) -> list[tuple[str, list[str]]]:
    """Those to the room's only message, in their order."""
    (message,) = await user.messages(room["id"])
    return list(message["reactions"].items())


def entries(service: ChatService) -> list[tuple[str, str]]:
    return [(one.kind, one.data["emoji"]) for one in service.heard(RoomEntry) if one.kind.startswith("reaction.")]


class TestReacting:
    async def test_appends_an_entry_and_shows_at_the_message(
        self, service: ChatService, room: Json, message: Json, alice: User, bob: User
    ) -> None:
        command = react(room, bob, message, "🎂")

        await service.command(command)

        entry = service.heard(RoomEntry)[-1]
        assert (entry.seq, entry.actor_id, entry.command_id) == (4, command.user_id, command.command_id)
        assert (entry.kind, entry.data) == ("reaction.added", {"message_id": message["id"], "emoji": "🎂"})
        assert (await alice.log(room["id"]))[-1]["data"] == entry.data
        assert await alice.messages(room["id"]) == [{**message, "reactions": {"🎂": [bob.id]}}]

        await service.command(react(room, bob, message, "🎂", on=False))

        assert (await alice.log(room["id"]))[-1]["kind"] == "reaction.removed"
        assert await alice.messages(room["id"]) == [message]

    @pytest.mark.parametrize("together", [False, True])
    async def test_shows_each_once_and_in_the_order_they_came(
        self, service: ChatService, room: Json, message: Json, alice: User, bob: User, together: bool
    ) -> None:
        commands = [
            react(room, bob, message, "🎂"),
            react(room, alice, message, "👍"),
            react(room, alice, message, "🎂"),
            react(room, bob, message, "🎂"),  # there already: it keeps its place
            react(room, bob, message, "👍"),
            react(room, alice, message, "👍", on=False),
            react(room, alice, message, "👍"),  # anew: it comes last
            react(room, alice, message, "🍰", on=False),  # was not there
        ]

        if together:
            await service.command(*commands)
        else:
            for command in commands:
                await service.command(command)

        assert await reactions(alice, room) == [("🎂", [bob.id, alice.id]), ("👍", [bob.id, alice.id])]
        assert len(entries(service)) == len(commands)
        assert not service.heard(CommandRefused)

    async def test_to_what_stands_from_before_goes_by_the_same_order(
        self, service: ChatService, room: Json, message: Json, alice: User, bob: User
    ) -> None:
        await service.command(react(room, alice, message), react(room, bob, message))

        await service.command(react(room, alice, message, on=False), react(room, alice, message))

        assert await reactions(alice, room) == [("👍", [bob.id, alice.id])]

    async def test_is_nothing_unread(
        self, service: ChatService, room: Json, message: Json, alice: User, bob: User
    ) -> None:
        await service.command(react(room, alice, message), react(room, alice, message, on=False))

        assert ((await bob.room(room["id"]))["unread"], (await alice.room(room["id"]))["unread"]) == (1, 0)


class TestRepeats:
    async def test_get_the_first_answer_in_the_same_batch_and_in_another(
        self, service: ChatService, room: Json, message: Json, alice: User
    ) -> None:
        command = react(room, alice, message)

        await service.command(command, react(room, alice, message, on=False), command)
        await service.command(command)

        assert [(one.seq, str(one.message_id)) for one in service.heard(CommandAccepted)] == [(4, message["id"])] * 2
        assert await reactions(alice, room) == []
        assert (await alice.room(room["id"]))["head"] == 5


class TestRefusals:
    async def test_say_why_and_leave_the_others_of_the_batch_alone(
        self, service: ChatService, room: Json, message: Json, alice: User, carol: User
    ) -> None:
        elsewhere = ok(await alice.send((await alice.create_room())["id"], "elsewhere"), 201)
        refused = [
            (Refusal.NOT_A_MEMBER, react(room, carol, message)),
            (Refusal.NOT_FOUND, react(room, alice, {"id": str(uuid7())})),
            (Refusal.NOT_FOUND, react(room, alice, elsewhere)),
            *((Refusal.INVALID, react(room, alice, message, emoji)) for emoji in ("", " ", "a b", "\x00", "x" * 65)),
            (Refusal.INVALID, react(room, alice, message, "a b", on=False)),
        ]

        await service.command(*(command for _, command in refused), react(room, alice, message, "x" * 64))

        assert [(one.code, one.command_id) for one in service.heard(CommandRefused)] == [
            (code, command.command_id) for code, command in refused
        ]
        assert await reactions(alice, room) == [("x" * 64, [alice.id])]

    async def test_of_a_deleted_message_say_that_there_is_none(
        self, service: ChatService, room: Json, message: Json, alice: User
    ) -> None:
        await service.command(react(room, alice, message), delete(room, alice, message), react(room, alice, message))
        await service.command(react(room, alice, message, on=False))

        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.NOT_FOUND] * 2
        assert await reactions(alice, room) == []

    async def test_of_one_emoji_too_many_end_when_another_is_gone(
        self, service: ChatService, room: Json, message: Json, alice: User, bob: User
    ) -> None:
        one_more = react(room, bob, message, "one-more")

        await service.command(*(react(room, alice, message, emoji) for emoji in MANY), one_more)
        await service.command(one_more, react(room, bob, message, MANY[0]), react(room, bob, message, "none", on=False))
        await service.command(react(room, alice, message, MANY[0], on=False), one_more)

        assert [(answer.code, answer.command_id) for answer in service.heard(CommandRefused)] == [
            (Refusal.FORBIDDEN, one_more.command_id)
        ] * 3

        await service.command(react(room, bob, message, MANY[0], on=False), one_more)
        await service.command(react(room, alice, message, "yet-another"))

        assert len(service.heard(CommandRefused)) == 4
        assert [emoji for emoji, _ in await reactions(alice, room)] == [*MANY[1:], "one-more"]

    async def test_of_the_muted_say_for_how_long(
        self, service: ChatService, database_url: str, room: Json, message: Json, bob: User
    ) -> None:
        await mute(database_url, room, bob, 60)

        await service.command(react(room, bob, message), react(room, bob, message, on=False))

        answers = service.heard(CommandRefused)
        assert [answer.code for answer in answers] == [Refusal.MUTED] * 2
        assert all(0 < (answer.retry_after or 0) <= 60 for answer in answers)
