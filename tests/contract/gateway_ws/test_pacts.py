"""What gateway_ws uses of chat_service, user_service and other gateways, and what others use of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import httpx
import pytest

from common.tokens import TokenVerifier, fetch_keys_over_http
from contracts.entries import (
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
from contracts.envelope import BATCH, SINGLE
from contracts.frames import CloseCode
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    MemberAdded,
    Payload,
    PresenceQuery,
    PresenceReport,
    ReactToMessage,
    Refusal,
    RoomEntry,
    RoomRead,
    RoomTyping,
    SendMessage,
    SessionRevoked,
)
from contracts.routing import EVERYBODY, PRESENCE, REPLIES, ROOMS, Service, shard
from gateway_ws.chat_client import ChatClient
from gateway_ws.user_client import UserClient
from messaging.bus import Binding, Delivery
from tests.support.bus import Recorder
from tests.support.client import Socket
from tests.support.gateway_ws import GatewayServer, Room, running_gateway
from tests.support.pacts import (
    TIME,
    Uses,
    again,
    id_of,
    some_number,
    some_seconds,
    some_text,
    some_time,
    uuid,
    verify,
)

USER, ROOM, OTHER_USER, POSTED, ROOM_TO_LEAVE, ROOM_TO_DELETE = (UUID(id_of(number)) for number in range(1, 7))
USER_WHO_WENT = UUID(id_of(7))
OTHER_GATEWAY = "gateway-1"
COMMAND, SESSION, ENDED_SESSION = UUID(id_of(0x11)), UUID(id_of(0x31)), UUID(id_of(0x32))


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayServer]:
    async with running_gateway() as gateway:
        yield gateway


async def test_uses_these_messages_of_chat_service(gateway: GatewayServer) -> None:
    uses = of_chat_service()
    posted, *changes, joined, read, accepted, refused, muted, removed, added, left, deleted = uses.deliveries()
    for room_id in (ROOM, ROOM_TO_LEAVE, ROOM_TO_DELETE):
        add_room(gateway, room_id)
    socket = await gateway.connect(USER)
    gateway_id = await own_id(gateway, socket)
    gateway.chat.answering.clear()

    async def hear(delivery: Delivery) -> None:
        await gateway.chat_bus.publish([again(delivery, gateway_id if delivery.exchange == REPLIES else None)])

    async def ask(type: str = "send", **fields: object) -> None:
        await socket.command(type, id=str(COMMAND), room_id=str(ROOM), **fields or {"text": "hello"})
        await gateway.until_pending(1)

    await ask()
    await hear(posted)
    assert (await socket.expect("ack"))["message_id"] == str(POSTED)
    assert (await socket.expect("event"))["data"]["text"] == "hello"
    of_posted: dict[str, object] = {"message_id": str(POSTED)}
    commands: list[tuple[str, dict[str, object], str]] = [
        ("edit", {"text": "hello again"}, MessageEdited.kind),
        ("react", {"emoji": "👍", "on": True}, ReactionAdded.kind),
        ("react", {"emoji": "👍", "on": False}, ReactionRemoved.kind),
        ("delete", {}, MessageDeleted.kind),
    ]
    for change, (type, fields, kind) in zip(changes, commands, strict=True):
        await ask(type, **of_posted, **fields)
        await hear(change)
        assert (await socket.expect("ack"))["message_id"] == str(POSTED)
        assert (await socket.expect("event"))["kind"] == kind
    await hear(joined)
    assert (await socket.expect("event"))["kind"] == MemberJoined.kind
    await hear(read)
    assert (await socket.expect("read"))["user_id"] == str(OTHER_USER)
    await ask()
    await hear(accepted)
    assert (await socket.expect("ack"))["duplicate"]
    await ask()
    await hear(refused)
    assert (await socket.expect("error", code="not_found"))["id"] == str(COMMAND)
    await ask()
    await hear(muted)
    assert (await socket.expect("error", code="muted"))["retry_after"] == 59.5
    await hear(removed)
    assert (await socket.expect("room_removed"))["reason"] == "removed"
    await hear(added)
    assert (await socket.expect("room_added"))["room"]["id"] == str(ROOM)
    for ending, room_id, reason in ((left, ROOM_TO_LEAVE, "left"), (deleted, ROOM_TO_DELETE, "room_deleted")):
        await hear(ending)
        assert (await socket.expect("room_removed", room_id=str(room_id)))["reason"] == reason
    uses.hold()


async def test_uses_these_answers_of_chat_service() -> None:
    uses = of_chat_service()

    with uses.answers.serve() as server:
        async with httpx.AsyncClient(base_url=str(server.url)) as chat_service:
            chat = ChatClient(chat_service, "secret", patience=0)
            assert await chat.room_ids(USER) == [ROOM]
            view = await chat.catch_up(USER, {ROOM: 0}, 200)
            assert (view.rooms[0].head, view.missed[ROOM][0].entries[0].seq) == (1, 1)
            assert (await chat.entries({ROOM: 0}, 200)).entries[ROOM][0].data["text"] == "hello"
            assert await chat.missing() is None


async def test_uses_these_messages_and_answers_of_user_service(gateway: GatewayServer) -> None:
    uses = Uses(Service.GATEWAY_WS, Service.USER_SERVICE)
    ended = {"user_id": uuid(1), "session_id": uuid(0x31), "reason": "logout"}
    uses.message("the end of a session", SessionRevoked, ended)
    uses.signing_keys()
    uses.answer(
        "which sessions are active",
        given="of two sessions one is active",
        method="POST",
        path="/internal/v1/sessions/active",
        body={"session_ids": [str(SESSION), str(ENDED_SESSION)]},
        answer={"active": [str(SESSION)]},
    )

    socket = await gateway.connect(USER, token=gateway.token(USER, session_id=SESSION))
    await gateway.chat_bus.publish([replace(again(delivery), durable=False) for delivery in uses.deliveries()])
    assert await socket.close_code() == CloseCode.SESSION_REVOKED

    with uses.answers.serve() as server:
        async with httpx.AsyncClient(base_url=str(server.url)) as user_service:
            assert await TokenVerifier(fetch_keys_over_http(user_service)).missing() is None
            users = UserClient(user_service, "secret")
            assert await users.active_sessions([SESSION, ENDED_SESSION]) == [SESSION]
    uses.hold()


async def test_uses_these_messages_of_other_gateways() -> None:
    uses = Uses(Service.GATEWAY_WS, Service.GATEWAY_WS)
    uses.message("somebody types", RoomTyping, {"room_id": uuid(2), "user_id": uuid(3), "on": True})
    of_other = {"gateway_id": some_text(OTHER_GATEWAY)}
    uses.message("a gateway asks who is online", PresenceQuery, {**of_other, "user_ids": [uuid(1)]})
    told = {"online": [uuid(3)], "offline": {str(USER_WHO_WENT): some_time()}}
    uses.message("a gateway reports who is online", PresenceReport, {**of_other, **told})
    typing, query, report = uses.deliveries()
    answers = Recorder()
    async with running_gateway(tap=([Binding(REPLIES, OTHER_GATEWAY)], answers)) as gateway:
        add_room(gateway, ROOM)
        socket = await gateway.connect(USER)

        await gateway.chat_bus.publish([again(typing, shard(ROOM))])
        assert (await socket.expect("typing"))["user_id"] == str(OTHER_USER)

        await gateway.chat_bus.publish([again(query)])
        await answers.until_it_has(1)

        await socket.command("watch", user_ids=[str(OTHER_USER), str(USER_WHO_WENT)])
        await gateway.chat_bus.publish([again(report, await own_id(gateway, socket))])
        await socket.expect("presence", user_id=str(OTHER_USER), online=True)
        assert (await socket.expect("presence", user_id=str(USER_WHO_WENT)))["last_seen"] == TIME
    uses.hold()


async def test_is_as_others_use_it() -> None:
    news, commands = Recorder(), Recorder()
    heard = [Binding(ROOMS, shard(ROOM)), Binding(PRESENCE, EVERYBODY), Binding(REPLIES, OTHER_GATEWAY)]
    async with running_gateway(tap=(heard, news)) as gateway:
        gateway.chat.heard = commands
        message = gateway.chat.commit(add_room(gateway, ROOM))
        socket = await gateway.connect(USER)
        await socket.command("typing", room_id=str(ROOM), on=True)
        await socket.command("read", room_id=str(ROOM), seq=1)
        await socket.expect("read")
        # the first travels alone, and what comes while it is on its way together
        gateway.chat.answering.clear()
        sent = []
        for number, reply_to in enumerate((None, str(message.id), None), 1):
            sent.append(await socket.send(str(ROOM), "hello", reply_to=reply_to))
            await gateway.until_pending(number)
        gateway.chat.answering.set()
        for command_id in sent:
            await socket.answer(command_id)
        await (await gateway.connect(USER_WHO_WENT)).close()
        await gateway.connect(OTHER_USER)
        await gateway.until_connected(2)
        await socket.command("watch", user_ids=[str(OTHER_USER)])
        await socket.expect("presence", online=True)
        query = PresenceQuery(gateway_id=OTHER_GATEWAY, user_ids=[OTHER_USER, USER_WHO_WENT])
        await gateway.chat.publish(PRESENCE, EVERYBODY, query)
        await news.until(lambda: any(one.type == PresenceReport.type for one in news.deliveries))
        room_id, message_id = str(ROOM), str(message.id)
        await socket.answer(await socket.edit(room_id, message_id, "hello again"))
        await socket.answer(await socket.react(room_id, message_id))
        await socket.answer(await socket.react(room_id, message_id, on=False))
        await socket.answer(await socket.delete(room_id, message_id))
        await news.until_it_has(1)

    def said(payload: type[Payload]) -> list[Delivery]:
        return [delivery for delivery in commands.deliveries if delivery.type == payload.type]

    messages = {
        "a message": next(one for one in said(SendMessage) if one.content_type == SINGLE),
        "several messages at once": next(one for one in said(SendMessage) if one.content_type == BATCH),
        "an edit": said(EditMessage)[0],
        "a reaction": said(ReactToMessage)[0],
        "the end of a reaction": said(ReactToMessage)[1],
        "a deletion": said(DeleteMessage)[0],
        "a read mark": said(MarkRead)[0],
        "somebody types": next(one for one in news.deliveries if one.type == RoomTyping.type),
        "a gateway asks who is online": next(one for one in news.deliveries if one.type == PresenceQuery.type),
        "a gateway reports who is online": next(one for one in news.deliveries if one.type == PresenceReport.type),
    }
    await asyncio.to_thread(verify, Service.GATEWAY_WS, messages)


def of_chat_service() -> Uses:
    uses = Uses(Service.GATEWAY_WS, Service.CHAT_SERVICE)
    _state_messages(uses)
    _state_answers(uses)
    return uses


def _state_messages(uses: Uses) -> None:
    entry = {"room_id": uuid(2), "actor_id": uuid(3), "id": uuid(4), "at": some_time()}
    user = {"user_id": uuid(1)}
    answer = {"command_id": uuid(0x11), **user, "room_id": uuid(2)}

    def state_entry(description: str, kind: str, seq: int, **fields: object) -> None:
        uses.message(description, RoomEntry, {**entry, "seq": some_number(seq), "kind": kind, **fields})

    state_entry(
        "a message was posted",
        MessagePosted.kind,
        1,
        actor_id=uuid(1),
        command_id=uuid(0x11),
        data={"message_id": uuid(4), "text": some_text("hello")},
    )
    for description, seq, kind in (
        ("a message was edited", 2, MessageEdited.kind),
        ("a reaction was added", 3, ReactionAdded.kind),
        ("a reaction was removed", 4, ReactionRemoved.kind),
        ("a message was deleted", 5, MessageDeleted.kind),
    ):
        of_message = {"id": uuid(0x20 + seq), "actor_id": uuid(1), "command_id": uuid(0x11)}
        state_entry(description, kind, seq, **of_message, data={"message_id": uuid(4)})
    state_entry("somebody has joined", MemberJoined.kind, 6, data={})
    uses.message("a read mark has moved", RoomRead, {"room_id": uuid(2), "user_id": uuid(3), "seq": some_number(2)})
    accepted = {**answer, "seq": some_number(1), "message_id": uuid(4), "at": some_time()}
    uses.message("a command is accepted again", CommandAccepted, accepted)
    uses.message("a command is refused", CommandRefused, {**answer, "code": "not_found", "detail": some_text("No.")})
    for_a_time = {"code": "muted", "detail": some_text("Not now."), "retry_after": some_seconds(59.5)}
    uses.message("a command is refused for a time", CommandRefused, {**answer, **for_a_time})
    state_entry("somebody was removed", MemberRemoved.kind, 7, data=user)
    uses.message("somebody has a new room", MemberAdded, {"room_id": uuid(2), **user, "seq": some_number(8)})
    state_entry("somebody has left", MemberLeft.kind, 1, room_id=uuid(5), data=user)
    state_entry("a room was deleted", RoomUpdated.kind, 1, room_id=uuid(6), data={"deleted": True})


def _state_answers(uses: Uses) -> None:
    given = "somebody is in a room with one entry"
    posted = {
        "room_id": str(ROOM),
        "seq": some_number(1),
        "kind": MessagePosted.kind,
        "actor_id": str(USER),
        "id": uuid(4),
        "at": some_time(),
        "data": {"message_id": uuid(4), "text": some_text("hello")},
    }
    room = {
        "id": str(ROOM),
        "kind": some_text("private"),
        "name": some_text("A room"),
        "topic": None,
        "head": some_number(1),
        "role": some_text("owner"),
        "read_seq": some_number(0),
        "unread": some_number(0),
        "member_count": some_number(1),
        "created_at": some_time(),
    }
    names = {"username": some_text("ada"), "display_name": some_text("Ada"), "version": some_number(1)}
    uses.answer(
        "the rooms of users",
        given=given,
        method="POST",
        path="/internal/v1/users/rooms",
        body={"user_ids": [str(USER)]},
        answer={"room_ids": {str(USER): [str(ROOM)]}},
    )
    uses.answer(
        "all that users have missed",
        given=given,
        method="POST",
        path="/internal/v1/users/catch_up",
        body={"askers": [{"user_id": str(USER), "resume": {str(ROOM): 0}}], "limit": 200},
        answer={
            "epoch": some_text("1"),
            "askers": [{"user": {"id": str(USER), **names}, "rooms": [room]}],
            "entries": {str(ROOM): [posted]},
        },
    )
    uses.answer(
        "the entries of a room after one",
        given=given,
        method="POST",
        path="/internal/v1/rooms/entries",
        body={"after": {str(ROOM): 0}, "limit": 200},
        answer={"entries": {str(ROOM): [posted]}},
    )
    uses.answer("that it is there", given="it is there", method="GET", path="/healthz", credential=False)


def add_room(gateway: GatewayServer, room_id: UUID) -> Room:
    room = gateway.chat.rooms[room_id] = Room(id=room_id, members={USER})
    return room


async def own_id(gateway: GatewayServer, socket: Socket) -> str:
    """The id under which the gateway is answered: it comes with each command."""
    gateway.chat.refuse = Refusal.FORBIDDEN
    await socket.answer(await socket.send(str(ROOM), "who are you?"))
    (command,) = gateway.chat.commands
    assert isinstance(command, SendMessage)
    return command.gateway_id
