"""What was said in a room, between its deletion and the moment when it has been erased, and after."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chat_service.services.rooms import Rooms
from chat_service.services.users import Users
from common.database import Database
from contracts.messages import CommandAccepted, RoomEntry
from tests.support.chat_service import SERVICE_TOKEN, ChatService, edit, react, running_chat_service, send
from tests.support.client import User
from tests.support.dump import everything_in
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok, problem

SECRET = "xyzzy"


@pytest.fixture
async def killed(service: ChatService) -> AsyncIterator[Rooms]:
    """A replica that is killed as soon as it has deleted a room."""
    database, user_service = Database(service.database_url), service.user_service.client()
    yield Rooms(database, Users(database, user_service, SERVICE_TOKEN), committed=_nothing, deleted=_nothing)
    await user_service.aclose()
    await database.close()


def _nothing() -> None:
    pass


async def left(database_url: str, room: Json) -> list[str]:
    """What is left of the room's messages, their edits, reactions and words, wherever they are kept, but for the tables
    in which FTS5 keeps its index: before SQLite 3.42 deleted words stay there until it is merged."""
    lines = (await everything_in(database_url)).splitlines()
    return [
        line
        for line in lines
        if (SECRET in line and not line.startswith("message_words_"))
        or line.startswith(("edits:", "reactions:"))
        or (line.startswith("messages:") and UUID(room["id"]).hex in line)
    ]


async def until_erased(database_url: str, room: Json) -> None:
    async def erased() -> bool:
        return not await left(database_url, room)

    await eventually(erased, every=0.1)


class TestUntilItIsErased:
    async def test_nobody_is_told_what_was_said(
        self, service: ChatService, room: Json, alice: User, bob: User, killed: Rooms
    ) -> None:
        posting = send(room, alice, SECRET)
        await service.command(posting)
        (message,) = await alice.messages(room["id"])
        editing = edit(room, alice, message, f"{SECRET}!")
        await service.command(editing, react(room, bob, message))
        log, before = await alice.log(room["id"]), len(service.deliveries)

        await killed.delete(UUID(alice.id), UUID(room["id"]))
        await service.command(posting, editing)

        assert len(await left(service.database_url, room)) >= 4
        told = ok(await service.internal("POST", "/rooms/entries", {"after": {room["id"]: 0}}))["entries"][room["id"]]
        assert [(entry["seq"], entry["data"]) for entry in told[:-1]] == [
            (event["seq"], {**event["data"], "text": None} if "text" in event["data"] else event["data"])
            for event in log
        ]
        again = [entry.data["text"] for entry in service.heard(RoomEntry) if "text" in entry.data][-2:]
        assert again == [None, None]
        assert [answer.command_id for answer in service.heard(CommandAccepted)] == [
            posting.command_id,
            editing.command_id,
        ]
        assert SECRET.encode() not in b"".join(delivery.body for delivery in service.deliveries[before:])
        assert ok(await alice.get("/search", q=SECRET))["items"] == []
        for path in ("messages", "events"):
            problem(await alice.get(f"/rooms/{room['id']}/{path}"), 404, "not_found")
        caught_up = ok(await service.internal("POST", f"/users/{alice.id}/catch_up", {"resume": {room["id"]: 0}}))
        assert (caught_up["rooms"], caught_up["entries"]) == ([], {})


class TestErasing:
    async def test_takes_all_of_many_messages_and_nothing_of_another_room(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        other = await alice.create_room()
        await service.command(send(other, alice, "kept"))
        await service.command(*(send(room, alice, SECRET) for _ in range(2_001)))
        (first, *_, last) = await alice.messages(room["id"])
        await service.command(*(edit(room, alice, message, f"{SECRET}!") for message in (first, last)))
        await service.command(react(room, bob, first))
        kept = await alice.log(other["id"])

        assert (await alice.delete(f"/rooms/{room['id']}")).status_code == 204

        await until_erased(service.database_url, room)
        assert [message["text"] for message in ok(await alice.get("/search", q="kept"))["items"]] == ["kept"]
        assert ok(await alice.get("/search", q=SECRET))["items"] == []
        assert await alice.log(other["id"]) == kept

    async def test_is_finished_by_the_next_to_start(
        self, service: ChatService, room: Json, alice: User, killed: Rooms
    ) -> None:
        await service.command(send(room, alice, SECRET))
        await killed.delete(UUID(alice.id), UUID(room["id"]))
        assert await left(service.database_url, room)

        async with running_chat_service(service.database_url):
            await until_erased(service.database_url, room)
