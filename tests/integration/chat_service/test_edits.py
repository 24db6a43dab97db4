"""Edits by the bus."""

from uuid import uuid4

from chat_service.rules import MAX_EDITS
from common.ids import uuid7
from contracts.entries import MessageEdited
from contracts.messages import CommandAccepted, CommandRefused, Refusal, RoomEntry
from tests.support.chat_service import ChatService, delete, edit, mark, mute, send
from tests.support.client import User
from tests.support.shapes import Json, ok


def edits(service: ChatService) -> list[RoomEntry]:
    return [entry for entry in service.heard(RoomEntry) if entry.kind == MessageEdited.kind]


async def post(user: User, room: Json, text: str = "Good moaning") -> Json:
    message: Json = ok(await user.send(room["id"], text), 201)
    return message


class TestEditing:
    async def test_appends_an_entry_with_the_new_text_and_changes_the_message(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = await post(alice, room)
        command = edit(room, alice, message, "Good morning")

        await service.command(command)

        (entry,) = edits(service)
        assert (entry.seq, entry.actor_id, entry.command_id) == (4, command.user_id, command.command_id)
        assert entry.data == {"message_id": message["id"], "text": "Good morning"}
        posted, edited = await alice.log(room["id"], after=2)
        assert posted["data"]["text"] == "Good moaning"
        assert (edited["kind"], edited["data"]) == ("message.edited", entry.data)
        assert await alice.messages(room["id"]) == [{**message, "text": "Good morning", "edited_at": edited["at"]}]
        assert not service.heard(CommandAccepted)
        assert not service.heard(CommandRefused)

    async def test_leaves_the_last_text_whether_they_come_together_or_not(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = await post(alice, room)

        await service.command(edit(room, alice, message, "first"), edit(room, alice, message, "second"))
        assert [one["text"] for one in await alice.messages(room["id"])] == ["second"]

        await service.command(edit(room, alice, message, "x" * 8000))
        (shown,) = await alice.messages(room["id"])
        assert shown["text"] == "x" * 8000
        assert shown["edited_at"] == (await alice.log(room["id"]))[-1]["at"]
        assert [entry.seq for entry in edits(service)] == [4, 5, 6]

    async def test_to_the_same_text_is_an_entry_as_well(self, service: ChatService, room: Json, alice: User) -> None:
        message = await post(alice, room)

        await service.command(edit(room, alice, message, message["text"]))

        assert [entry.data["text"] for entry in edits(service)] == [message["text"]]

    async def test_is_nothing_unread(self, service: ChatService, room: Json, alice: User, bob: User) -> None:
        message = await post(alice, room)
        await service.command(mark(room, bob, message["seq"]), edit(room, alice, message, "Good morning"))

        assert (await bob.room(room["id"]))["unread"] == 0


class TestRepeats:
    async def test_get_the_first_answer_in_the_same_batch_and_in_another(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = await post(alice, room)
        command = edit(room, alice, message, "first")

        await service.command(command, edit(room, alice, message, "last"), command)
        await service.command(command.model_copy(update={"text": "other"}))

        first, last, *again = edits(service)
        assert again == [first, first]
        assert [(answer.seq, answer.message_id, answer.at) for answer in service.heard(CommandAccepted)] == [
            (first.seq, command.message_id, first.at)
        ] * 2
        assert [one["text"] for one in await alice.messages(room["id"])] == ["last"]
        assert (await alice.room(room["id"]))["head"] == last.seq

    async def test_of_another_kind_of_command_get_that_ones_answer(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        posting = send(room, alice, "once")
        await service.command(posting)
        (message,) = await alice.messages(room["id"])

        await service.command(edit(room, alice, message, "twice?", id=posting.command_id))

        (answer,) = service.heard(CommandAccepted)
        assert (answer.seq, str(answer.message_id)) == (message["seq"], message["id"])
        assert await alice.messages(room["id"]) == [message]

    async def test_by_two_users_take_effect_for_each(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        hers, his, id = await post(alice, room), await post(bob, room), uuid4()

        await service.command(edit(room, alice, hers, "hers", id=id), edit(room, bob, his, "his", id=id))

        assert [message["text"] for message in await alice.messages(room["id"])] == ["hers", "his"]


class TestRefusals:
    async def test_say_why_and_leave_the_others_of_the_batch_alone(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        other = await alice.create_room()
        elsewhere, gone = await post(alice, other), await post(alice, room)
        hers, his = await post(alice, room), await post(bob, room)
        await service.command(delete(room, alice, gone))
        refused = [
            (Refusal.NOT_A_MEMBER, edit(room, carol, hers, "a")),
            (Refusal.NOT_A_MEMBER, edit({"id": str(uuid7())}, alice, hers, "a")),
            (Refusal.NOT_FOUND, edit(room, alice, {"id": str(uuid7())}, "a")),
            (Refusal.NOT_FOUND, edit(room, alice, elsewhere, "a")),
            (Refusal.NOT_FOUND, edit(room, alice, gone, "a")),
            (Refusal.FORBIDDEN, edit(room, alice, his, "a")),
            (Refusal.FORBIDDEN, edit(room, bob, hers, "a")),
            (Refusal.TOO_LONG, edit(room, alice, hers, "x" * 8001)),
            (Refusal.INVALID, edit(room, alice, hers, "")),
            (Refusal.INVALID, edit(room, alice, hers, "a\x00b")),
        ]

        for code, command in refused:
            await service.command(command)
            answer = service.heard(CommandRefused)[-1]
            assert (answer.command_id, answer.code) == (command.command_id, code)
        in_this_room = [one for one in refused if str(one[1].room_id) == room["id"]]
        await service.command(*(command for _, command in in_this_room), edit(room, alice, hers, "the last"))

        answers = service.heard(CommandRefused)[-len(in_this_room) :]
        assert [(one.code, one.command_id) for one in answers] == [(code, one.command_id) for code, one in in_this_room]
        assert all(answer.detail and answer.retry_after is None for answer in answers)
        assert [entry.data["text"] for entry in edits(service)] == ["the last"]
        assert await alice.messages(other["id"]) == [elsewhere]

    async def test_end_the_edits_of_one_message(self, service: ChatService, room: Json, alice: User) -> None:
        message = await post(alice, room)
        for _ in range(10):
            await service.command(*(edit(room, alice, message, "again") for _ in range(MAX_EDITS // 10)))
        assert not service.heard(CommandRefused)

        await service.command(edit(room, alice, message, "once too often"))

        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.FORBIDDEN]
        await service.command(delete(room, alice, message))
        log = await alice.log(room["id"])
        assert {event["data"]["text"] for event in log if event["kind"] == "message.edited"} == {None}

    async def test_of_the_muted_say_for_how_long(
        self, service: ChatService, database_url: str, room: Json, alice: User, bob: User
    ) -> None:
        message = await post(bob, room)
        await mute(database_url, room, bob, 3600)

        await service.command(send(room, bob), edit(room, bob, message, "a"), send(room, alice))

        answers = service.heard(CommandRefused)
        assert [answer.code for answer in answers] == [Refusal.MUTED] * 2
        for answer in answers:
            assert answer.retry_after is not None
            assert 3000 < answer.retry_after <= 3600

        await mute(database_url, room, bob, -1)
        await service.command(edit(room, bob, message, "again"))
        assert (await bob.messages(room["id"]))[0]["text"] == "again"
