"""What chat_service uses of user_service and gateway_ws, and what gateway_ws uses of it."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from chat_service.migrations import upgrade
from chat_service.models import Entry, Member, Message, Room
from chat_service.models import User as KnownUser
from chat_service.services.users import UnknownUser, Users
from common.database import Database
from common.ids import now, uuid7
from common.tokens import TokenVerifier, fetch_keys_over_http
from contracts.entries import (
    EntryData,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    RoomUpdated,
)
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    MemberAdded,
    Payload,
    ReactToMessage,
    RoomEntry,
    RoomRead,
    SendMessage,
    UserDeleted,
    UserProfileChanged,
    UserRegistered,
)
from contracts.routing import Service
from messaging.bus import Delivery
from tests.support.chat_service import (
    SERVICE_TOKEN,
    ChatService,
    delete,
    edit,
    mark,
    mute,
    react,
    running_chat_service,
    send,
)
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.pacts import Uses, again, id_of, some_number, some_text, uuid, verify
from tests.support.serving import in_a_thread

USER, ROOM, OTHER_USER = UUID(id_of(1)), UUID(id_of(2)), UUID(id_of(3))
POSTED = UUID(id_of(4))


@pytest.fixture
async def database_url(tmp_path: Path) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    await upgrade(url)
    return url


async def test_uses_these_events_and_answers_of_user_service(database_url: str) -> None:
    uses = Uses(Service.CHAT_SERVICE, Service.USER_SERVICE)
    names = {"username": some_text("ada"), "display_name": some_text("Ada")}
    uses.message("a registration", UserRegistered, {"user_id": uuid(1), **names, "version": some_number(1)})
    uses.message(
        "a change of names",
        UserProfileChanged,
        {"user_id": uuid(1), **names, "display_name": some_text("Ada L."), "version": some_number(2)},
    )
    uses.message("a deletion", UserDeleted, {"user_id": uuid(3), "version": some_number(3)})
    uses.answer(
        "a user",
        given="somebody is registered",
        method="GET",
        path=f"/internal/v1/users/{USER}",
        answer={"id": str(USER), **names, "version": some_number(1)},
    )
    uses.answer(
        "no user", given="nobody is registered", method="GET", path=f"/internal/v1/users/{OTHER_USER}", status=404
    )
    uses.signing_keys()

    async with running_chat_service(database_url) as service:
        await service.bus.publish([again(delivery) for delivery in uses.deliveries()])
        database = Database(database_url)
        assert (await known(database, USER)).display_name == "Ada L."
        assert (await known(database, OTHER_USER)).deleted

    with uses.answers.serve() as server:
        async with httpx.AsyncClient(base_url=str(server.url)) as user_service:
            users = Users(database, user_service, "secret")
            assert (await users._ask(USER)).username == "ada"
            with pytest.raises(UnknownUser):
                await users._ask(OTHER_USER)
            assert await TokenVerifier(fetch_keys_over_http(user_service)).missing() is None
    await database.close()
    uses.hold()


async def test_uses_these_commands_of_gateway_ws(database_url: str) -> None:
    uses = Uses(Service.CHAT_SERVICE, Service.GATEWAY_WS)
    gateway = {"gateway_id": some_text("gateway-1")}
    first = {"command_id": uuid(0x11), "user_id": uuid(1), "room_id": uuid(2), "text": some_text("hello"), **gateway}
    second = {**first, "command_id": uuid(0x12), "text": some_text("an answer")}
    uses.message("a message", SendMessage, {**first, "reply_to": None})
    uses.message(
        "several messages at once",
        SendMessage,
        {**second, "reply_to": uuid(4)},
        {**second, "command_id": uuid(0x13), "reply_to": None},
    )
    uses.message("a read mark", MarkRead, {"user_id": uuid(1), "room_id": uuid(2), "seq": some_number(2)})
    of_message = {"user_id": uuid(1), "room_id": uuid(2), "message_id": uuid(4), **gateway}
    emoji = some_text("👍")
    uses.message("an edit", EditMessage, {**of_message, "command_id": uuid(0x14), "text": some_text("hello again")})
    uses.message("a reaction", ReactToMessage, {**of_message, "command_id": uuid(0x15), "emoji": emoji, "on": True})
    uses.message(
        "the end of a reaction",
        ReactToMessage,
        {**of_message, "command_id": uuid(0x16), "emoji": emoji, "on": False},
    )
    uses.message("a deletion", DeleteMessage, {**of_message, "command_id": uuid(0x17)})
    await store_room(database_url)

    async with running_chat_service(database_url) as service:
        *others, deletion = [again(delivery) for delivery in uses.deliveries()]
        database = Database(database_url)
        await service.bus.publish(others)
        log = await logged(database)
        assert [(str(entry.command_id), entry.data["text"], entry.data["reply_to"]) for entry in log[1:4]] == [
            (id_of(0x11), "hello", None),
            (id_of(0x12), "an answer", str(POSTED)),
            (id_of(0x13), "an answer", None),
        ]
        of_posted = {"message_id": str(POSTED)}
        assert [(str(entry.command_id), entry.kind, entry.data) for entry in log[4:]] == [
            (id_of(0x14), MessageEdited.kind, {**of_posted, "text": "hello again"}),
            (id_of(0x15), ReactionAdded.kind, {**of_posted, "emoji": "👍"}),
            (id_of(0x16), ReactionRemoved.kind, {**of_posted, "emoji": "👍"}),
        ]
        assert {entry.actor_id for entry in log} == {USER}
        assert await read_seq(database) == 2
        await service.bus.publish([deletion])
        last = (await logged(database))[-1]
        assert (str(last.command_id), last.kind, last.data) == (id_of(0x17), MessageDeleted.kind, of_posted)
        await database.close()
    uses.hold()


def test_is_as_others_use_it(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    with in_a_thread(migrated(url)) as (service, portal, address):
        verify(
            Service.CHAT_SERVICE,
            portal.call(lead_a_life, service),
            url=address,
            token=SERVICE_TOKEN,
            states={"somebody is in a room with one entry": lambda: portal.call(store_room, url), "it is there": bool},
        )


@asynccontextmanager
async def migrated(database_url: str) -> AsyncIterator[ChatService]:
    await upgrade(database_url)
    async with running_chat_service(database_url) as service:
        yield service


async def lead_a_life(service: ChatService) -> dict[str, Delivery]:
    """What gateways are told of one room, by what brings it about."""
    alice, bob, carol = service.newcomer(), service.newcomer(), service.newcomer()
    told: dict[str, Delivery] = {}

    async def tell(name: str, what: type[Payload | EntryData], doing: Awaitable[object]) -> None:
        before = len(service.deliveries)
        await doing

        async def published() -> list[Delivery]:
            return [delivery for delivery in service.deliveries[before:] if says(delivery, what)]

        told[name] = (await eventually(published))[0]

    room = await alice.create_room("public")
    await tell("somebody has joined", MemberJoined, alice.add(room["id"], bob))
    await tell("somebody has a new room", MemberAdded, alice.add(room["id"], carol))
    command = send(room, bob)
    await tell("a message was posted", MessagePosted, service.command(command))
    await tell("a command is accepted again", CommandAccepted, service.command(command))
    (message,) = await bob.messages(room["id"])
    await tell("a message was edited", MessageEdited, service.command(edit(room, bob, message, "hello again")))
    await tell("a reaction was added", ReactionAdded, service.command(react(room, bob, message)))
    await tell("a reaction was removed", ReactionRemoved, service.command(react(room, bob, message, on=False)))
    await tell("a message was deleted", MessageDeleted, service.command(delete(room, bob, message)))
    await tell("a command is refused", CommandRefused, service.command(send(room, bob, reply_to=uuid7())))
    await tell("a read mark has moved", RoomRead, service.command(mark(room, bob, 4)))
    await mute(service.database_url, room, bob, 60)
    await tell("a command is refused for a time", CommandRefused, service.command(send(room, bob)))
    await tell("somebody was removed", MemberRemoved, alice.remove(room["id"], bob))
    await tell("somebody has left", MemberLeft, carol.post(f"/rooms/{room['id']}/leave"))
    await tell("a room was deleted", RoomUpdated, alice.delete(f"/rooms/{room['id']}"))
    return told


def says(delivery: Delivery, what: type[Payload | EntryData]) -> bool:
    """Whether it is a single message of a type, or a single entry of a kind."""
    (said, *more) = (envelope.payload for envelope in opened(delivery.body, delivery.content_type))
    if more:
        return False
    return isinstance(said, what) or (
        isinstance(said, RoomEntry) and issubclass(what, EntryData) and said.kind == what.kind
    )


async def store_room(database_url: str) -> None:
    """A room with one message in it, of its only member, under ids that are known beforehand."""
    at = now()
    posted = MessagePosted(message_id=POSTED, text="hello", reply_to=None)
    database = Database(database_url)
    async with database.write() as session:
        if await session.get(Room, ROOM) is None:
            session.add(KnownUser(id=USER, username="ada", display_name="Ada", version=1, deleted=False))
            session.add(
                Room(id=ROOM, kind="private", name="A room", head=1, message_count=1, member_count=1, created_at=at)
            )
            await session.flush()
            session.add(Member(room_id=ROOM, user_id=USER, role="owner", joined_at=at, read_seq=0, read_count=0))
            session.add(
                Entry(
                    room_id=ROOM,
                    seq=1,
                    id=POSTED,
                    kind=posted.kind,
                    actor_id=USER,
                    command_id=None,
                    at=at,
                    data=posted.model_dump(mode="json"),
                )
            )
            session.add(Message(id=POSTED, room_id=ROOM, seq=1, sender_id=USER, text="hello", at=at, deleted=False))
        await session.commit()
    await database.close()


async def known(database: Database, user_id: UUID) -> KnownUser:
    async with database.read() as session:
        return await session.get_one(KnownUser, user_id)


async def logged(database: Database) -> Sequence[Entry]:
    async with database.read() as session:
        return (await session.scalars(select(Entry).where(Entry.room_id == ROOM).order_by(Entry.seq))).all()


async def read_seq(database: Database) -> int:
    async with database.read() as session:
        return (await session.get_one(Member, (ROOM, USER))).read_seq
