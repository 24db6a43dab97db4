"""Deletions by the bus, and what is left of what was said."""

from uuid import UUID

import pytest
from sqlalchemy import inspect, text

from chat_service.services.commands import CommandHandler
from common.database import Database
from common.ids import uuid7
from contracts.entries import MessageDeleted
from contracts.messages import CommandAccepted, CommandRefused, Refusal, RoomEntry
from messaging.bus import PublishError
from messaging.in_process import InProcessBus
from tests.support.chat_service import (
    TOPOLOGY,
    ChatService,
    command_message,
    delete,
    delivery_of,
    edit,
    mark,
    mute,
    react,
    send,
)
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok

SECRET = "xyzzy"


async def everything(database_url: str) -> str:
    """All that any table of the database holds, but for those in which FTS5 keeps its index: before SQLite 3.42 deleted
    words stay there until it is merged."""
    database = Database(database_url)
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        contents = [
            (await connection.execute(text(f'SELECT * FROM "{table}"'))).all()  # noqa: S608
            for table in tables
            if not table.startswith("message_words_")
        ]
    await database.close()
    return repr(contents)


async def say(service: ChatService, room: Json, user: User, text: str = SECRET) -> Json:
    """A message that has come by the bus."""
    await service.command(send(room, user, text))
    return (await user.messages(room["id"]))[-1]


def told(service: ChatService, after: int) -> str:
    """What was published after so many messages."""
    return "".join(delivery.body.decode() for delivery in service.deliveries[after:])


class TestDeleting:
    async def test_appends_an_entry_and_leaves_a_message_that_says_nothing(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        question = await say(service, room, bob, "Tea?")
        await service.command(send(room, alice, SECRET, reply_to=UUID(question["id"])))
        message = (await alice.messages(room["id"]))[-1]
        await service.command(edit(room, alice, message, f"{SECRET}!"), react(room, bob, message))
        edited_at = (await alice.messages(room["id"]))[-1]["edited_at"]
        command = delete(room, alice, message)

        await service.command(command)

        entry = service.heard(RoomEntry)[-1]
        assert (entry.kind, entry.data) == (MessageDeleted.kind, {"message_id": message["id"]})
        assert (entry.seq, entry.actor_id, entry.command_id) == (7, command.user_id, command.command_id)
        assert await alice.messages(room["id"]) == [
            question,
            {**message, "text": "", "deleted": True, "edited_at": edited_at, "reactions": {}},
        ]
        _, posted, edited, reacted, deleted = await bob.log(room["id"], after=2)
        assert posted["data"] == {"message_id": message["id"], "text": None, "reply_to": question["id"]}
        assert edited["data"] == {"message_id": message["id"], "text": None}
        assert reacted["data"] == {"message_id": message["id"], "emoji": "👍"}
        assert deleted["data"] == entry.data
        assert SECRET not in await everything(service.database_url)

    async def test_in_the_batch_of_the_edit_tells_and_keeps_nothing_of_it(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = await say(service, room, alice, "harmless")
        before = len(service.deliveries)

        await service.command(
            edit(room, alice, message, SECRET), edit(room, alice, message, SECRET), delete(room, alice, message)
        )

        assert [event["data"].get("text", "") for event in await alice.log(room["id"], after=2)] == [
            None,
            None,
            None,
            "",
        ]
        assert [entry.data.get("text", "") for entry in service.heard(RoomEntry)[-3:]] == [None, None, ""]
        assert SECRET not in told(service, before)
        assert SECRET not in await everything(service.database_url)

    async def test_touches_no_other_message(self, service: ChatService, room: Json, alice: User, bob: User) -> None:
        kept, gone = await say(service, room, alice, "kept"), await say(service, room, alice)
        await service.command(edit(room, alice, kept, "kept, edited"), react(room, bob, kept))
        before = (await alice.messages(room["id"]))[0]

        await service.command(delete(room, alice, gone))

        assert (await alice.messages(room["id"]))[0] == before
        assert [event["data"].get("text") for event in await alice.log(room["id"], after=2)] == [
            "kept", None, "kept, edited", None, None,
        ]  # fmt: skip

    async def test_leaves_the_count_of_what_is_unread(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        first, second = await say(service, room, alice), await say(service, room, alice)

        await service.command(delete(room, alice, first))
        assert (await bob.room(room["id"]))["unread"] == 2

        await service.command(mark(room, bob, first["seq"]))
        assert (await bob.room(room["id"]))["unread"] == 1
        await service.command(mark(room, bob, second["seq"]), delete(room, alice, second))
        assert (await bob.room(room["id"]))["unread"] == 0

    async def test_of_a_message_does_not_keep_others_from_replying_to_it(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        message = await say(service, room, alice)
        await service.command(delete(room, alice, message), send(room, bob, "Why?", reply_to=UUID(message["id"])))

        assert (await bob.messages(room["id"]))[-1]["reply_to"] == message["id"]

    async def test_of_the_room_takes_the_texts_of_edits_as_well(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        message = await say(service, room, alice)
        await service.command(edit(room, alice, message, f"{SECRET}!"), react(room, bob, message))

        assert (await alice.delete(f"/rooms/{room['id']}")).status_code == 204

        async def erased() -> bool:
            return SECRET not in await everything(service.database_url)

        await eventually(erased, every=0.1)


class TestRepeats:
    async def test_get_the_first_answer_in_the_same_batch_and_in_another(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = await say(service, room, alice)
        command = delete(room, alice, message)

        await service.command(command, command)
        await service.command(command)

        entries = [entry for entry in service.heard(RoomEntry) if entry.kind == MessageDeleted.kind]
        assert entries == [entries[0]] * 3
        assert [(answer.seq, str(answer.message_id), answer.at) for answer in service.heard(CommandAccepted)] == [
            (entries[0].seq, message["id"], entries[0].at)
        ] * 2

    @pytest.mark.parametrize("together", [False, True])
    async def test_of_what_is_deleted_by_then_are_answered_without_its_text(
        self, service: ChatService, room: Json, alice: User, together: bool
    ) -> None:
        posting = send(room, alice, SECRET)
        await service.command(posting)
        (message,) = await alice.messages(room["id"])
        editing = edit(room, alice, message, SECRET)
        await service.command(editing)
        posted, edited = service.heard(RoomEntry)[-2:]
        before = len(service.deliveries)

        if together:
            await service.command(delete(room, alice, message), posting, editing)
        else:
            await service.command(delete(room, alice, message))
            await service.command(posting, editing)

        assert [(answer.seq, str(answer.message_id)) for answer in service.heard(CommandAccepted)] == [
            (posted.seq, message["id"]),
            (edited.seq, message["id"]),
        ]
        assert [(entry.id, entry.data["text"]) for entry in service.heard(RoomEntry)[-2:]] == [
            (posted.id, None),
            (edited.id, None),
        ]
        assert SECRET not in told(service, before)

    async def test_over_http_of_what_is_deleted_by_then_show_an_empty_message(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = ok(await alice.send(room["id"], SECRET, key="my key"), 201)
        await service.command(delete(room, alice, message))

        again = ok(await alice.send(room["id"], SECRET, key="my key"), 200)

        assert again == {**message, "text": "", "deleted": True}


class TestWhoMay:
    @pytest.mark.parametrize("kind", ["public", "private"])
    async def test_is_the_sender_and_in_rooms_of_many_admins_and_the_owner(
        self, service: ChatService, alice: User, bob: User, carol: User, kind: str
    ) -> None:
        room = await alice.create_room(kind)
        for user in (bob, carol):
            await alice.add(room["id"], user)
        of_alice, of_bob, of_carol = [await say(service, room, user) for user in (alice, bob, carol)]

        await service.command(delete(room, carol, of_bob), delete(room, carol, of_alice))
        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.FORBIDDEN] * 2

        await alice.add(room["id"], bob, "admin")
        await service.command(delete(room, alice, of_carol), delete(room, bob, of_alice), delete(room, bob, of_bob))
        assert all(message["deleted"] for message in await carol.messages(room["id"]))

    async def test_is_the_sender_alone_in_a_direct_room(self, service: ChatService, alice: User, bob: User) -> None:
        room = ok(await alice.post("/rooms/direct", {"user_id": bob.id}), 201)
        of_alice, of_bob = await say(service, room, alice), await say(service, room, bob)

        await service.command(delete(room, alice, of_bob), delete(room, bob, of_alice), delete(room, alice, of_alice))

        assert [answer.code for answer in service.heard(CommandRefused)] == [Refusal.FORBIDDEN] * 2
        assert [message["deleted"] for message in await bob.messages(room["id"])] == [True, False]

    async def test_is_the_sender_also_when_muted(
        self, service: ChatService, database_url: str, room: Json, bob: User
    ) -> None:
        message = await say(service, room, bob)
        await mute(database_url, room, bob, 3600)

        await service.command(delete(room, bob, message))

        assert not service.heard(CommandRefused)
        assert [one["deleted"] for one in await bob.messages(room["id"])] == [True]

    async def test_is_nobody_from_outside_and_nobody_for_what_is_not_there(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        message = await say(service, room, alice)
        elsewhere = await say(service, await alice.create_room(), alice)

        await service.command(
            delete(room, carol, message),
            delete(room, alice, elsewhere),
            delete(room, alice, {"id": str(uuid7())}),
            delete(room, alice, message),
            delete(room, alice, message),
        )

        codes = [answer.code for answer in service.heard(CommandRefused)]
        assert codes == [Refusal.NOT_A_MEMBER, *[Refusal.NOT_FOUND] * 3]
        assert (await alice.room(room["id"]))["head"] == 4


class TestRedelivery:
    async def test_publishes_the_entries_of_all_kinds_as_they_were_committed(
        self, service: ChatService, database_url: str, room: Json, alice: User
    ) -> None:
        kept, gone = await say(service, room, alice), await say(service, room, alice)
        stopped, database = InProcessBus(TOPOLOGY), Database(database_url)
        commands = (
            edit(room, alice, kept, "kept"),
            edit(room, alice, gone, SECRET),
            react(room, alice, kept),
            react(room, alice, kept, on=False),
            delete(room, alice, gone),
        )
        delivery = delivery_of(command_message(*commands))
        publish = await CommandHandler(database, stopped).handle([delivery])
        with pytest.raises(PublishError):
            await publish()
        log = await alice.log(room["id"])

        publish = await CommandHandler(database, service.bus).handle([delivery])
        await publish()
        await database.close()

        await service.settle()
        assert [(str(entry.id), entry.seq, entry.data) for entry in service.heard(RoomEntry)[-5:]] == [
            (event["id"], event["seq"], event["data"]) for event in log[-5:]
        ]
        assert [answer.command_id for answer in service.heard(CommandAccepted)] == [one.command_id for one in commands]
        assert await alice.log(room["id"]) == log
