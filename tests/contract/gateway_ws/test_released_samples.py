"""Whatever was ever released for gateway_ws to read is understood by its real handlers, as real connections see."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest

from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.entries import ENTRIES, MemberLeft, MemberRemoved, RoomUpdated
from contracts.envelope import Envelope, encode
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    MemberAdded,
    PresenceQuery,
    PresenceReport,
    ReactToMessage,
    RoomEntry,
    RoomRead,
    RoomTyping,
    SendMessage,
    SessionRevoked,
)
from contracts.routing import EVENTS, EVERYBODY, MEMBERS, PRESENCE, REPLIES, ROOMS, Service, shard
from gateway_ws.chat_client import ChatClient
from gateway_ws.user_client import UserClient
from messaging.bus import Binding, Message
from messaging.in_process import InProcessBus
from tests.support.bus import Recorder, nothing
from tests.support.client import Socket
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.gateway_ws import TOPOLOGY, AnyCommand, GatewayServer, Room, running_gateway
from tests.support.released import Sample, samples_read_by
from tests.support.shapes import Json


@pytest.mark.parametrize("sample", samples_read_by(Service.GATEWAY_WS))
async def test_what_was_released_is_understood(sample: Sample) -> None:
    async with running_gateway() as gateway:
        await EFFECTS[sample.name](gateway, sample)


# --- from the bus ---------------------------------------------------------------------------------------------------


async def entry_is_passed_on(gateway: GatewayServer, sample: Sample) -> None:
    """Whole, also with what nobody here knows; and whoever has to go is told so."""
    entry = sample.events[0]
    listener = UUID(entry["data"].get("user_id", str(uuid7())))
    room = new_room(gateway, entry["room_id"], listener, entries=entry["seq"] - 1)
    socket = await gateway.connect(listener)

    await publish(gateway, sample, ROOMS, shard(room.id))

    event = await socket.expect("event", room_id=entry["room_id"], seq=entry["seq"])
    for field in ("kind", "actor_id", "id", "at", "data"):
        assert event[field] == entry[field]
    match entry["kind"], entry["data"]:
        case MemberLeft.kind, _:
            await socket.expect("room_removed", room_id=entry["room_id"], reason="left")
        case MemberRemoved.kind, _:
            await socket.expect("room_removed", room_id=entry["room_id"], reason="removed")
        case RoomUpdated.kind, {"deleted": True}:
            await socket.expect("room_removed", room_id=entry["room_id"], reason="room_deleted")


async def data_are_passed_on(gateway: GatewayServer, sample: Sample) -> None:
    entry = RoomEntry(
        room_id=uuid7(),
        seq=1,
        kind=sample.name.removeprefix("entry.").rpartition(".v")[0],
        actor_id=uuid7(),
        id=uuid7(),
        at=now(),
        data=sample.json,
    )
    body, _ = encode([Envelope(entry, entry.id, entry.at, new_traceparent())])
    await entry_is_passed_on(gateway, Sample(RoomEntry.type, sample.label, body))


async def mark_is_told(gateway: GatewayServer, sample: Sample) -> None:
    read = sample.events[0]
    room, socket = await new_listener(gateway, read["room_id"])

    await publish(gateway, sample, ROOMS, shard(room.id))

    await socket.expect("read", room_id=read["room_id"], user_id=read["user_id"], seq=read["seq"])


async def typing_is_told(gateway: GatewayServer, sample: Sample) -> None:
    typing = sample.events[0]
    room, socket = await new_listener(gateway, typing["room_id"])

    await publish(gateway, sample, ROOMS, shard(room.id))

    await socket.expect("typing", room_id=typing["room_id"], user_id=typing["user_id"], on=typing["on"])


async def room_is_added(gateway: GatewayServer, sample: Sample) -> None:
    added = sample.events[0]
    socket = await gateway.connect(UUID(added["user_id"]))
    new_room(gateway, added["room_id"], UUID(added["user_id"]), entries=added["seq"])

    await publish(gateway, sample, MEMBERS, EVERYBODY)

    assert (await socket.expect("room_added"))["room"]["id"] == added["room_id"]
    await socket.reach(added["room_id"], added["seq"])


async def session_is_closed(gateway: GatewayServer, sample: Sample) -> None:
    revoked = sample.events[0]
    session_id = revoked["session_id"] and UUID(revoked["session_id"])
    socket = await gateway.open()
    await socket.hello(gateway.token(UUID(revoked["user_id"]), session_id=session_id))

    await publish(gateway, sample, EVENTS, sample.name)

    assert await socket.close_code() == 4003


async def repeat_is_acked(gateway: GatewayServer, sample: Sample) -> None:
    reply = sample.events[0]
    async with waiting_for(gateway, reply) as (socket, gateway_id):
        await publish(gateway, sample, REPLIES, gateway_id)

        ack = await socket.expect("ack", id=reply["command_id"], duplicate=True)
        for field in ("room_id", "seq", "message_id", "at"):
            assert ack[field] == reply[field]


async def refusal_is_told(gateway: GatewayServer, sample: Sample) -> None:
    reply = sample.events[0]
    async with waiting_for(gateway, reply) as (socket, gateway_id):
        await publish(gateway, sample, REPLIES, gateway_id)

        error = await socket.expect("error", id=reply["command_id"], code=reply["code"], detail=reply["detail"])
        assert error.get("retry_after") == reply.get("retry_after")


async def question_is_answered(gateway: GatewayServer, sample: Sample) -> None:
    """To the gateway that asked; what it says of somebody else shows that nothing more was to be said."""
    query = sample.events[0]
    another = uuid7()
    users = {UUID(user_id) for event in sample.events for user_id in event["user_ids"]} | {another}
    for user_id in users:
        await gateway.connect(user_id)
    answers = Recorder()
    bus = InProcessBus(TOPOLOGY, broker=gateway.broker)
    bus.listen("another gateway", [Binding(REPLIES, query["gateway_id"])], answers, on_reset=nothing)
    await bus.start()

    await publish(gateway, sample, PRESENCE, EVERYBODY)
    await gateway.chat.publish(PRESENCE, EVERYBODY, PresenceQuery(gateway_id=query["gateway_id"], user_ids=[another]))

    await answers.until(lambda: online_in(answers) == users)
    await bus.stop()


def online_in(answers: Recorder) -> set[UUID]:
    reports = [envelope.payload for one in answers.deliveries for envelope in opened(one.body, one.content_type)]
    return {user_id for report in reports if isinstance(report, PresenceReport) for user_id in report.online}


async def report_is_told(gateway: GatewayServer, sample: Sample) -> None:
    online = {user_id for event in sample.events for user_id in event["online"]}
    offline = {user_id: at for event in sample.events for user_id, at in event["offline"].items()}
    another = str(uuid7())
    socket = await gateway.connect(uuid7())
    await socket.command("watch", user_ids=[*online, *offline, another])
    reply_to = await reply_key(gateway)

    await publish(gateway, sample, REPLIES, reply_to)

    for user_id in online:
        await socket.expect("presence", user_id=user_id, online=True, last_seen=None)
    for user_id, at in offline.items():
        await socket.expect("presence", user_id=user_id, online=False, last_seen=at)
    await socket.expect("presence", user_id=another, online=False)


async def reply_key(gateway: GatewayServer) -> str:
    """Under which the gateway is answered, as its commands say."""
    user_id = uuid7()
    room = new_room(gateway, str(uuid7()), user_id)
    await (await gateway.connect(user_id)).post(str(room.id), "hello")
    (send,) = gateway.chat.commands
    assert isinstance(send, SendMessage)
    return send.gateway_id


@asynccontextmanager
async def waiting_for(gateway: GatewayServer, reply: Json) -> AsyncIterator[tuple[Socket, str]]:
    """Somebody who has sent that command, which nobody answers, over the gateway of that id."""
    user_id = UUID(reply["user_id"])
    new_room(gateway, reply["room_id"], user_id)
    socket = await gateway.connect(user_id)
    await socket.post(reply["room_id"], "hello")
    (send,) = gateway.chat.commands
    assert isinstance(send, SendMessage)
    gateway.chat.answering.clear()
    await socket.send(reply["room_id"], "hello again", id=reply["command_id"])
    await gateway.until_pending(1)
    yield socket, send.gateway_id
    gateway.chat.answering.set()


async def publish(gateway: GatewayServer, sample: Sample, exchange: str, key: str) -> None:
    message = Message(exchange, key, sample.body, sample.name, str(uuid7()), sample.content_type, durable=False)
    await gateway.chat_bus.publish([message])


# --- from a client --------------------------------------------------------------------------------------------------


async def hello_is_answered(gateway: GatewayServer, sample: Sample) -> None:
    user_id, resume = uuid7(), sample.json.get("resume", {})
    for room_id, seq in resume.items():
        new_room(gateway, room_id, user_id, entries=seq + 2)
    socket = await gateway.open(resume=resume)

    await socket.send_raw(with_token(sample, gateway.token(user_id)))

    welcome = await socket.expect("welcome")
    assert {room["id"] for room in welcome["rooms"]} == resume.keys()
    for room_id, seq in resume.items():
        await socket.reach(room_id, seq + 2)


async def message_is_sent(gateway: GatewayServer, sample: Sample) -> None:
    _, socket = await new_listener(gateway, sample.json["room_id"])

    await socket.send_raw(sample.body.decode())

    await socket.expect("ack", id=sample.json["id"])
    (send,) = gateway.chat.commands
    assert isinstance(send, SendMessage)
    assert (str(send.command_id), str(send.room_id)) == (sample.json["id"], sample.json["room_id"])
    assert (send.text, send.reply_to and str(send.reply_to)) == (sample.json["text"], sample.json.get("reply_to"))


async def message_is_edited(gateway: GatewayServer, sample: Sample) -> None:
    command = await command_about_a_message(gateway, sample)

    assert isinstance(command, EditMessage)
    assert command.text == sample.json["text"]


async def message_is_deleted(gateway: GatewayServer, sample: Sample) -> None:
    assert isinstance(await command_about_a_message(gateway, sample), DeleteMessage)


async def message_is_reacted_to(gateway: GatewayServer, sample: Sample) -> None:
    command = await command_about_a_message(gateway, sample)

    assert isinstance(command, ReactToMessage)
    assert (command.emoji, command.on) == (sample.json["emoji"], sample.json["on"])


async def command_about_a_message(gateway: GatewayServer, sample: Sample) -> AnyCommand:
    """What the sample becomes, when it is sent: acked, and about what it names."""
    _, socket = await new_listener(gateway, sample.json["room_id"])

    await socket.send_raw(sample.body.decode())

    await socket.expect("ack", id=sample.json["id"], message_id=sample.json["message_id"])
    (command,) = gateway.chat.commands
    assert isinstance(command, EditMessage | DeleteMessage | ReactToMessage)
    told = (command.command_id, command.room_id, command.message_id)
    assert [str(id) for id in told] == [sample.json[name] for name in ("id", "room_id", "message_id")]
    return command


async def mark_is_sent(gateway: GatewayServer, sample: Sample) -> None:
    _, socket = await new_listener(gateway, sample.json["room_id"])

    await socket.send_raw(sample.body.decode())

    await socket.expect("read", room_id=sample.json["room_id"], seq=sample.json["seq"])
    (mark,) = gateway.chat.commands
    assert isinstance(mark, MarkRead)


async def typing_is_sent(gateway: GatewayServer, sample: Sample) -> None:
    room, socket = await new_listener(gateway, sample.json["room_id"])
    room.members.add(other := uuid7())
    at_other = await gateway.connect(other)

    await socket.send_raw(sample.body.decode())

    await at_other.expect("typing", room_id=sample.json["room_id"], on=sample.json["on"])


async def presence_is_watched(gateway: GatewayServer, sample: Sample) -> None:
    before, watched = uuid7(), sample.json["user_ids"]
    socket = await gateway.connect(uuid7())
    await socket.command("watch", user_ids=[str(before)])
    await socket.expect("presence", user_id=str(before))

    await socket.send_raw(sample.body.decode())

    for user_id in watched:
        await socket.expect("presence", user_id=user_id, online=False)
    await socket.command("refresh", token="none")  # the set was replaced once this is answered
    await socket.expect("error")
    await gateway.connect(before)
    for user_id in watched:
        await gateway.connect(UUID(user_id))
        await socket.expect("presence", user_id=user_id, online=True)
    assert socket.received("presence", user_id=str(before), online=True) == []


async def token_is_replaced(gateway: GatewayServer, sample: Sample) -> None:
    user_id, session_id = uuid7(), uuid7()
    socket = await gateway.connect(user_id)

    await socket.send_raw(with_token(sample, gateway.token(user_id, session_id=session_id)))

    async def replaced() -> bool:
        (connection,) = gateway.gateway.sessions.of(user_id)
        return connection.claims is not None and connection.claims.session_id == session_id

    await eventually(replaced)


def with_token(sample: Sample, token: str) -> str:
    """The one thing in a sample that can't last."""
    return sample.body.decode().replace(sample.json["token"], token)


# --- from chat_service ----------------------------------------------------------------------------------------------


async def rooms_are_told(_gateway: GatewayServer, sample: Sample) -> None:
    told = sample.json["room_ids"]
    async with asking(sample) as chat:
        for user_id in (*told, str(uuid7())):
            assert [str(room_id) for room_id in await chat.room_ids(UUID(user_id))] == told.get(user_id, [])


async def is_caught_up(_gateway: GatewayServer, sample: Sample) -> None:
    told, (first, *_) = sample.json, sample.json["askers"]
    async with asking(sample) as chat:
        view = await chat.catch_up(uuid7(), {}, 200)

    assert view.epoch == told["epoch"]
    assert (view.user and view.user.username) == (first["user"] and first["user"]["username"])
    assert [(str(room.id), room.head) for room in view.rooms] == [(room["id"], room["head"]) for room in first["rooms"]]
    await is_told_what_was_missed(told)


async def is_told_what_was_missed(told: Json) -> None:
    """To one who is in the rooms of which the answer has entries: a sample's rooms are others."""
    (first, *_) = told["askers"]
    rooms = [
        {**room, "id": room_id, "head": entries[-1]["seq"]}
        for (room_id, entries), room in zip(told["entries"].items(), first["rooms"], strict=False)
    ]
    resume = {UUID(room_id): entries[0]["seq"] - 1 for room_id, entries in told["entries"].items()}
    in_them = {**told, "askers": [{**first, "rooms": rooms}]}
    async with asking(Sample("", "", json.dumps(in_them).encode())) as chat:
        missed = (await chat.catch_up(uuid7(), resume, 200)).missed

    assert_told(
        {room_id: [one for portion in portions for one in portion.entries] for room_id, portions in missed.items()},
        told,
    )


async def entries_are_told(_gateway: GatewayServer, sample: Sample) -> None:
    async with asking(sample) as chat:
        assert_told((await chat.entries({}, 200)).entries, sample.json)


def assert_told(entries: dict[UUID, list[RoomEntry]], told: Json) -> None:
    assert {
        str(room_id): [(entry.seq, entry.kind, entry.data) for entry in of_room] for room_id, of_room in entries.items()
    } == {
        room_id: [(entry["seq"], entry["kind"], entry["data"]) for entry in of_room]
        for room_id, of_room in told["entries"].items()
    }


@asynccontextmanager
async def asking(sample: Sample) -> AsyncIterator[ChatClient]:
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=sample.body))
    async with httpx.AsyncClient(transport=answer, base_url="http://chat_service") as client:
        yield ChatClient(client, "a service token", patience=0)


# --- from user_service ----------------------------------------------------------------------------------------------


async def active_sessions_are_told(_gateway: GatewayServer, sample: Sample) -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=sample.body))
    async with httpx.AsyncClient(transport=answer, base_url="http://user_service") as client:
        active = await UserClient(client, "a service token").active_sessions([uuid7()])

    assert [str(session_id) for session_id in active] == sample.json["active"]


# --- rooms ----------------------------------------------------------------------------------------------------------


def new_room(gateway: GatewayServer, room_id: str, member: UUID, *, entries: int = 0) -> Room:
    room = gateway.chat.rooms[UUID(room_id)] = Room(id=UUID(room_id), members={member})
    for _ in range(entries):
        gateway.chat.commit(room)
    return room


async def new_listener(gateway: GatewayServer, room_id: str) -> tuple[Room, Socket]:
    room = new_room(gateway, room_id, user_id := uuid7())
    return room, await gateway.connect(user_id)


EFFECTS: dict[str, Callable[[GatewayServer, Sample], Awaitable[None]]] = {
    RoomEntry.type: entry_is_passed_on,
    **{f"entry.{entry.kind}.v1": data_are_passed_on for entry in ENTRIES},
    RoomRead.type: mark_is_told,
    RoomTyping.type: typing_is_told,
    MemberAdded.type: room_is_added,
    PresenceQuery.type: question_is_answered,
    PresenceReport.type: report_is_told,
    SessionRevoked.type: session_is_closed,
    CommandAccepted.type: repeat_is_acked,
    CommandRefused.type: refusal_is_told,
    "client.hello.v1": hello_is_answered,
    "client.send.v1": message_is_sent,
    "client.edit.v1": message_is_edited,
    "client.delete.v1": message_is_deleted,
    "client.react.v1": message_is_reacted_to,
    "client.read.v1": mark_is_sent,
    "client.typing.v1": typing_is_sent,
    "client.watch.v1": presence_is_watched,
    "client.refresh.v1": token_is_replaced,
    "http.rooms_of_users.v1": rooms_are_told,
    "http.catch_ups.v1": is_caught_up,
    "http.entries.v1": entries_are_told,
    "http.active_sessions.v1": active_sessions_are_told,
}
