"""Who gets in."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from common.ids import uuid7
from tests.support.gateway_ws import GatewayServer, running_gateway
from tests.support.tokens import TokenIssuer, signed_by_a_stranger, with_other_claims, without_signature


async def test_the_welcome_names_the_user_the_session_and_the_rooms(gateway: GatewayServer, alice: UUID) -> None:
    rooms = [gateway.chat.room(alice, entries=2), gateway.chat.room(alice)]
    gateway.chat.room(uuid7())
    session_id = uuid4()
    token = gateway.token(alice, session_id=session_id, username="alice", display_name="Alice")

    welcome = (await gateway.connect(alice, token=token)).welcome

    assert welcome["user"] == {"id": str(alice), "username": "alice", "display_name": "Alice"}
    assert welcome["session_id"] == str(session_id)
    assert {room["id"]: room["head"] for room in welcome["rooms"]} == {str(rooms[0].id): 2, str(rooms[1].id): 0}


@pytest.mark.parametrize(("offered", "chosen"), [("parley.v1", "parley.v1"), ("parley.v9", None), (None, None)])
async def test_the_subprotocol_is_taken_where_it_is_offered(
    gateway: GatewayServer, offered: str | None, chosen: str | None
) -> None:
    socket = await gateway.open(subprotocol=offered)

    assert socket.connection.subprotocol == chosen


async def test_who_says_nothing_is_sent_away() -> None:
    async with running_gateway(hello_timeout=0.1) as gateway:
        socket = await gateway.open()

        assert await socket.close_code() == 4001


@pytest.mark.parametrize("first", ["", "{", '{"type": "refresh", "token": "x"}', '{"type": "hello"}'])
async def test_who_does_not_begin_with_hello_is_sent_away(gateway: GatewayServer, first: str) -> None:
    socket = await gateway.open()
    await socket.send_raw(first)

    assert await socket.close_code() == 4001


@pytest.mark.parametrize("fault", ["expired", "stranger", "unsigned", "changed", "no session", "audience", "nonsense"])
async def test_a_token_that_is_not_good_is_refused(gateway: GatewayServer, alice: UUID, fault: str) -> None:
    good = gateway.token(alice)
    tokens = {
        "expired": gateway.token(alice, expires_in=-1),
        "stranger": signed_by_a_stranger(good),
        "unsigned": without_signature(good),
        "changed": with_other_claims(good, sub=str(uuid7())),
        "no session": gateway.token(alice, sid=None),
        "audience": gateway.token(alice, aud="others"),
        "nonsense": "nonsense",
    }
    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": tokens[fault]}))

    assert (await socket.expect("error"))["code"] == "unauthorized"
    assert await socket.close_code() == 4001


async def test_a_revoked_session_is_not_let_in_by_a_token_that_is_still_good(
    gateway: GatewayServer, alice: UUID
) -> None:
    revoked, other = uuid4(), uuid4()
    present = await gateway.connect(alice, token=gateway.token(alice, session_id=revoked))
    staying = await gateway.connect(alice, token=gateway.token(alice, session_id=other))

    await gateway.chat.revoke(alice, revoked)
    assert await present.close_code() == 4003

    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice, session_id=revoked)}))
    assert await socket.close_code() == 4003
    assert not staying.closed
    assert socket.received("welcome") == []


async def test_all_of_a_users_sessions_may_be_revoked_at_once(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    sockets = [await gateway.connect(alice) for _ in range(2)]
    stranger = await gateway.connect(bob)

    await gateway.chat.revoke(alice, None)

    assert [await socket.close_code() for socket in sockets] == [4003, 4003]
    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice)}))
    assert await socket.close_code() == 4003
    assert not stranger.closed


async def test_without_keys_the_client_is_told_to_come_again(gateway: GatewayServer, alice: UUID) -> None:
    gateway.keys_available = False
    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": TokenIssuer().token(user_id=alice)}))

    error = await socket.expect("error")
    assert (error["code"], error["retry_after"]) == ("unavailable", 1)
    assert await socket.close_code() == 1012


async def test_without_chat_service_the_client_is_told_to_come_again(alice: UUID) -> None:
    async with running_gateway(chat_patience=0.2) as gateway:
        gateway.chat.available = False
        socket = await gateway.open()
        await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice)}))

        assert (await socket.expect("error"))["code"] == "unavailable"
        assert await socket.close_code() == 1012
        assert gateway.nothing_is_left()


async def test_a_client_does_not_notice_a_chat_service_that_is_back_in_a_moment(
    gateway: GatewayServer, alice: UUID
) -> None:
    gateway.chat.available = False
    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice)}))
    await gateway.asked("rooms", 2)

    gateway.chat.available = True

    await socket.expect("welcome")
    assert socket.received("error") == []


async def test_who_leaves_while_hello_is_answered_leaves_nothing_behind(gateway: GatewayServer, alice: UUID) -> None:
    gateway.chat.room(alice)
    answer = asyncio.Event()
    gateway.chat.before_catch_up.append(answer)
    socket = await gateway.open()
    await socket.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice)}))
    await gateway.asked("catch_up")

    socket.connection.transport.abort()
    answer.set()

    await gateway.until_nothing_is_left()


async def test_readiness_names_what_is_missing(gateway: GatewayServer) -> None:
    gateway.chat.available = False
    gateway.keys_available = False

    assert await gateway.missing() == {"signing keys", "chat_service"}

    gateway.chat.available = gateway.keys_available = True
    assert await gateway.missing() == set()


async def test_rooms_to_be_resumed_that_are_not_the_users_any_more_are_told_after_the_welcome(
    gateway: GatewayServer, alice: UUID
) -> None:
    kept, lost, never = gateway.chat.room(alice, entries=2), gateway.chat.room(alice, entries=2), uuid7()
    gateway.chat.remove(lost, alice)
    gateway.chat.commit(lost, "not for alice")

    socket = await gateway.connect(alice, resume={str(lost.id): 2, str(kept.id): 1, str(never): 0})
    await socket.reach(str(kept.id), 2)
    await gateway.chat.post(lost)
    await gateway.chat.post(kept)
    await socket.reach(str(kept.id), 3)

    assert [room["id"] for room in socket.welcome["rooms"]] == [str(kept.id)]
    assert [(frame["type"], frame.get("room_id"), frame.get("reason")) for frame in socket.frames[1:]] == [
        ("room_removed", str(lost.id), "removed"),
        ("room_removed", str(never), "removed"),
        ("event", str(kept.id), None),
        ("event", str(kept.id), None),
    ]
