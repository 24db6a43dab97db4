"""Whatever was ever released for chat_service to read is understood by its real handlers, and takes effect."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.migrations import upgrade
from chat_service.models import Entry, Member, Message, Reaction, Room, User
from chat_service.services.users import Users
from common.database import Database
from common.ids import now, uuid7
from contracts.entries import DELETED_DISPLAY_NAME, DELETED_USERNAME
from contracts.internal_http import CatchUpRequest, CatchUpsRequest, EntriesRequest, RoomsOfUsersRequest
from contracts.messages import (
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    ReactToMessage,
    RoomEntry,
    RoomRead,
    SendMessage,
    UserDeleted,
    UserProfileChanged,
    UserRegistered,
)
from contracts.routing import COMMANDS, EVENTS, Service, partition
from contracts.topology import CHAT_USER_EVENTS, COMMAND_QUEUES
from messaging.bus import Message as BusMessage
from messaging.in_process import InProcessBus
from tests.support.bus import Recorder
from tests.support.chat_service import SERVICE_TOKEN, TOPOLOGY, ChatService, running_chat_service
from tests.support.released import Sample, samples_read_by
from tests.support.shapes import Json, ok

HEAD = 100


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.close()


@pytest.mark.parametrize("sample", samples_read_by(Service.CHAT_SERVICE))
async def test_what_was_released_is_understood(sample: Sample, database: Database, tmp_path: Path) -> None:
    bus, dead_letters = InProcessBus(TOPOLOGY), Recorder()
    for queue in (CHAT_USER_EVENTS, *COMMAND_QUEUES):
        bus.consume(f"{queue}.dead", dead_letters)
    async with running_chat_service(f"sqlite+aiosqlite:///{tmp_path}/chat.db", bus=bus) as service:
        await EFFECTS[sample.name](service, database, sample)
        assert not dead_letters.deliveries


# --- users ----------------------------------------------------------------------------------------------------------


async def user_is_known(service: ChatService, database: Database, sample: Sample) -> None:
    await publish_event(service, sample)

    for event in sample.events:
        user = await user_of(database, event["user_id"])
        assert (user.username, user.display_name) == (event["username"], event["display_name"])
        assert (user.version, user.deleted) == (event["version"], False)


async def user_is_gone(service: ChatService, database: Database, sample: Sample) -> None:
    async with database.write() as session:
        await store_member(session, room_id=uuid7(), user_id=UUID(sample.events[0]["user_id"]))
        await session.commit()

    await publish_event(service, sample)

    for event in sample.events:
        user = await user_of(database, event["user_id"])
        assert (user.username, user.display_name) == (DELETED_USERNAME, DELETED_DISPLAY_NAME)
        assert (user.version, user.deleted) == (event["version"], True)
    (left,) = await service.hear(RoomEntry)
    assert left.kind == "member.left"


async def user_is_looked_up(_service: ChatService, database: Database, sample: Sample) -> None:
    view = sample.json
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=sample.body))
    async with httpx.AsyncClient(transport=answer, base_url="http://user_service") as user_service:
        await Users(database, user_service, "a service token").find(UUID(view["id"]))

    user = await user_of(database, view["id"])
    assert (user.username, user.display_name) == (view["username"], view["display_name"])
    assert user.version == view["version"]


# --- commands -------------------------------------------------------------------------------------------------------


async def message_is_posted(service: ChatService, database: Database, sample: Sample) -> None:
    send = sample.events[0]
    async with database.write() as session:
        await store_member(session, room_id=UUID(send["room_id"]), user_id=UUID(send["user_id"]))
        if send["reply_to"] is not None:
            session.add(message(UUID(send["reply_to"]), UUID(send["room_id"]), UUID(send["user_id"])))
        await session.commit()

    await publish_command(service, sample)

    entry, *_ = await service.hear(RoomEntry)
    assert (str(entry.command_id), str(entry.actor_id)) == (send["command_id"], send["user_id"])
    assert (entry.seq, entry.data["text"], entry.data["reply_to"]) == (HEAD + 1, send["text"], send["reply_to"])
    assert not service.heard(CommandRefused)


async def message_is_edited(service: ChatService, database: Database, sample: Sample) -> None:
    edit, entry, shown = await command_about_a_message(service, database, sample)

    assert (entry.kind, entry.data["text"]) == ("message.edited", edit["text"])
    assert (shown.text, shown.edited_at) == (edit["text"], entry.at)


async def message_is_deleted(service: ChatService, database: Database, sample: Sample) -> None:
    _, entry, shown = await command_about_a_message(service, database, sample)

    assert entry.kind == "message.deleted"
    assert (shown.text, shown.deleted) == ("", True)


async def message_is_reacted_to(service: ChatService, database: Database, sample: Sample) -> None:
    react, entry, shown = await command_about_a_message(service, database, sample)

    key = (shown.id, react["emoji"], UUID(react["user_id"]))
    async with database.read() as session:
        stands = await session.get(Reaction, key) is not None
    kind = "reaction.added" if react["on"] else "reaction.removed"
    assert (entry.kind, entry.data["emoji"], stands) == (kind, react["emoji"], react["on"])


async def command_about_a_message(
    service: ChatService, database: Database, sample: Sample
) -> tuple[Json, RoomEntry, Message]:
    """What is commanded about a message of one's own, the entry that it makes, and the message after it."""
    command = sample.events[0]
    message_id, room_id, user_id = (UUID(command[name]) for name in ("message_id", "room_id", "user_id"))
    async with database.write() as session:
        await store_member(session, room_id=room_id, user_id=user_id)
        session.add(message(message_id, room_id, user_id))
        await session.commit()

    await publish_command(service, sample)

    entry, *_ = await service.hear(RoomEntry)
    assert (str(entry.command_id), str(entry.actor_id)) == (command["command_id"], command["user_id"])
    assert (entry.seq, entry.data["message_id"]) == (HEAD + 1, command["message_id"])
    assert not service.heard(CommandRefused)
    async with database.read() as session:
        return command, entry, await session.get_one(Message, message_id)


async def mark_is_moved(service: ChatService, database: Database, sample: Sample) -> None:
    mark = sample.events[0]
    async with database.write() as session:
        await store_member(session, room_id=UUID(mark["room_id"]), user_id=UUID(mark["user_id"]))
        await session.commit()

    await publish_command(service, sample)

    (read,) = await service.hear(RoomRead)
    assert (str(read.room_id), str(read.user_id), read.seq) == (mark["room_id"], mark["user_id"], mark["seq"])


# --- questions of a gateway -----------------------------------------------------------------------------------------


async def caught_up(service: ChatService, database: Database, sample: Sample) -> None:
    question = CatchUpRequest.model_validate(sample.json)
    member = uuid7()
    async with database.write() as session:
        for room_id in question.resume:
            await store_member(session, room_id=room_id, user_id=member)
        await session.commit()

    answer = ok(await ask(service, f"/users/{member}/catch_up", sample))

    assert {room["id"] for room in answer["rooms"]} == {str(room_id) for room_id in question.resume}
    assert seqs(answer) == {
        str(room_id): list(range(max(after, HEAD - question.limit) + 1, HEAD + 1))
        for room_id, after in question.resume.items()
    }


async def all_are_caught_up(service: ChatService, database: Database, sample: Sample) -> None:
    question = CatchUpsRequest.model_validate(sample.json)
    async with database.write() as session:
        for asker in question.askers:
            for room_id in asker.resume:
                await store_member(session, room_id=room_id, user_id=asker.user_id)
        await session.commit()

    answer = ok(await ask(service, "/users/catch_up", sample))

    assert [{room["id"] for room in view["rooms"]} for view in answer["askers"]] == [
        {str(room_id) for room_id in asker.resume} for asker in question.askers
    ]
    assert seqs(answer) == {
        str(room_id): list(range(max(after, HEAD - question.limit) + 1, HEAD + 1))
        for asker in question.askers
        for room_id, after in asker.resume.items()
    }


async def told_rooms(service: ChatService, database: Database, sample: Sample) -> None:
    question = RoomsOfUsersRequest.model_validate(sample.json)
    rooms = {user_id: uuid7() for user_id in question.user_ids}
    async with database.write() as session:
        for user_id, room_id in rooms.items():
            await store_member(session, room_id=room_id, user_id=user_id)
        await session.commit()

    answer = ok(await ask(service, "/users/rooms", sample))

    assert answer["room_ids"] == {str(user_id): [str(room_id)] for user_id, room_id in rooms.items()}


async def told_entries(service: ChatService, database: Database, sample: Sample) -> None:
    question = EntriesRequest.model_validate(sample.json)
    async with database.write() as session:
        for room_id in question.after:
            await store_member(session, room_id=room_id, user_id=uuid7())
        await session.commit()

    answer = ok(await ask(service, "/rooms/entries", sample))

    assert seqs(answer) == {
        str(room_id): list(range(after + 1, min(after + question.limit, HEAD) + 1))
        for room_id, after in question.after.items()
    }


def seqs(answer: Json) -> dict[str, list[int]]:
    return {room_id: [entry["seq"] for entry in entries] for room_id, entries in answer["entries"].items()}


async def ask(service: ChatService, path: str, sample: Sample) -> httpx.Response:
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}", "Content-Type": "application/json"}
    return await service.http.post(f"/internal/v1{path}", content=sample.body, headers=headers)


# --- what there is before -------------------------------------------------------------------------------------------


async def store_member(session: AsyncSession, *, room_id: UUID, user_id: UUID) -> None:
    """Somebody in a room whose log has `HEAD` entries."""
    session.add(User(id=user_id, username="u", display_name="U", version=0, deleted=False))
    session.add(room(room_id))
    await session.flush()
    session.add(
        Member(room_id=room_id, user_id=user_id, role="owner", joined_at=now(), read_seq=0, read_count=0),
    )
    for seq in range(1, HEAD + 1):
        session.add(entry(room_id, user_id, seq))


def room(id: UUID) -> Room:
    return Room(
        id=id,
        kind="private",
        name="A room",
        name_canonical="a room",
        topic=None,
        direct_key=None,
        head=HEAD,
        message_count=0,
        member_count=1,
        created_at=now(),
        deleted_at=None,
    )


def entry(room_id: UUID, actor_id: UUID, seq: int) -> Entry:
    return Entry(
        room_id=room_id,
        seq=seq,
        id=uuid7(),
        kind="room.updated",
        actor_id=actor_id,
        command_id=None,
        at=now(),
        data={"name": "A room", "topic": None, "deleted": False},
    )


def message(id: UUID, room_id: UUID, sender_id: UUID) -> Message:
    return Message(
        id=id,
        room_id=room_id,
        seq=1,
        sender_id=sender_id,
        text="hello",
        reply_to=None,
        at=now(),
        edited_at=None,
        deleted=False,
    )


async def user_of(database: Database, user_id: str) -> User:
    async with database.read() as session:
        return await session.get_one(User, UUID(user_id))


async def publish_event(service: ChatService, sample: Sample) -> None:
    """As user_service does; returns when it has been handled."""
    await publish(service, sample, EVENTS, sample.name)


async def publish_command(service: ChatService, sample: Sample) -> None:
    """As a gateway does; returns when it has been handled."""
    await publish(service, sample, COMMANDS, partition(UUID(sample.events[0]["room_id"])))


async def publish(service: ChatService, sample: Sample, exchange: str, key: str) -> None:
    message = BusMessage(exchange, key, sample.body, sample.name, str(uuid7()), sample.content_type)
    await service.bus.publish([message])


EFFECTS: dict[str, Callable[[ChatService, Database, Sample], Awaitable[None]]] = {
    UserRegistered.type: user_is_known,
    UserProfileChanged.type: user_is_known,
    UserDeleted.type: user_is_gone,
    SendMessage.type: message_is_posted,
    EditMessage.type: message_is_edited,
    DeleteMessage.type: message_is_deleted,
    ReactToMessage.type: message_is_reacted_to,
    MarkRead.type: mark_is_moved,
    "http.user_view.v1": user_is_looked_up,
    "http.catch_up_request.v1": caught_up,
    "http.rooms_of_users_request.v1": told_rooms,
    "http.catch_ups_request.v1": all_are_caught_up,
    "http.entries_request.v1": told_entries,
}
