"""How connections end, and what is left of them."""

import asyncio
import json
import re
import socket as sockets
import time
from uuid import UUID

import pytest

from contracts.frames import MAX_FRAME_BYTES
from tests.support.client import Socket, new_command_id
from tests.support.eventually import eventually
from tests.support.gateway_ws import GatewayServer, running_gateway


@pytest.mark.parametrize(
    ("data", "text", "code"),
    [
        (b"hello", False, 1003),
        (b"\xff\xfe", True, 1007),
        (b"\xed\xa0\x80", True, 1007),
        (b" " * (MAX_FRAME_BYTES + 1), True, 1009),
        (b" " * (20 * MAX_FRAME_BYTES), True, 1009),
    ],
)
async def test_what_is_no_frame_of_ours_ends_the_connection(
    gateway: GatewayServer, alice: UUID, data: bytes, text: bool, code: int
) -> None:
    socket, bystander = await gateway.connect(alice), await gateway.connect(alice)

    await socket.send_raw(data, text=text)

    assert await socket.close_code() == code
    await gateway.until_connected(1)
    assert not bystander.closed


async def test_a_frame_of_64_kib_is_read(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    frame = json.dumps({"type": "send", "id": new_command_id(), "room_id": str(room.id), "text": "hello"})

    await socket.send_raw(frame + " " * (MAX_FRAME_BYTES - len(frame)))

    await socket.expect("ack")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("[" * 60_000, "bad_frame"),
        ('{"type": "hello", "token": "again"}', "bad_frame"),
        ('{"type": "watch", "user_ids": ["somebody"]}', "bad_frame"),
        ('{"type": "whisper", "user_ids": []}', "bad_frame"),
        ('{"type": "refresh", "token": "nonsense"}', "unauthorized"),
    ],
)
async def test_a_wrong_frame_is_refused_and_the_connection_stays(
    gateway: GatewayServer, alice: UUID, frame: str, code: str
) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)

    await socket.send_raw(frame)

    assert (await socket.expect("error"))["code"] == code
    await socket.post(str(room.id), "still here")


@pytest.mark.parametrize(
    ("text", "code"), [("", "bad_frame"), ("x" * 8001, "too_long"), ("a\x00b", "bad_frame"), ("\ud800", "bad_frame")]
)
async def test_a_wrong_text_is_refused_under_its_id(gateway: GatewayServer, alice: UUID, text: str, code: str) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    frame = {"type": "send", "id": new_command_id(), "room_id": str(room.id), "text": text}

    await socket.send_raw(json.dumps(frame))

    assert (await socket.answer(str(frame["id"])))["code"] == code
    assert gateway.chat.commands == []


async def test_a_flood_is_refused_and_then_ended(alice: UUID) -> None:
    async with running_gateway(frames_per_second=10, frames_burst=5, max_refused_frames=50) as gateway:
        room = gateway.chat.room(alice)
        socket = await gateway.connect(alice)

        async def flood() -> None:
            while not socket.closed:
                frame = {"type": "send", "id": new_command_id(), "room_id": str(room.id), "text": "me"}
                await socket.send_raw(json.dumps(frame))
                await asyncio.sleep(0.002)  # so that some of them are within the rate

        flooding = asyncio.create_task(flood())
        assert await socket.close_code() == 4029
        await asyncio.wait({flooding})

        assert re.search(r"retry after \d+ s", socket.connection.close_reason or "")
        refused = socket.received("error", code="rate_limited")
        assert len(refused) >= 49
        assert all(error["retry_after"] > 0 and error["id"] for error in refused)
        assert room.head > 5
        flooding.exception()


async def test_a_token_is_warned_of_and_ended(alice: UUID) -> None:
    async with running_gateway(token_warning=60) as gateway:
        socket = await gateway.connect(alice, token=gateway.token(alice, expires_in=3))

        assert 0 <= (await socket.expect("token_expiring"))["expires_in"] <= 3
        assert await socket.close_code() == 4001
        assert len(socket.received("token_expiring")) == 1


async def test_a_new_token_extends_the_connection(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice, token=gateway.token(alice, expires_in=4))
    expires_at = time.monotonic() + 4
    await socket.expect("token_expiring")

    await socket.command("refresh", token=gateway.token(alice))

    await asyncio.sleep(expires_at + 1.5 - time.monotonic())  # the sweep comes once a second
    await socket.post(str(room.id), "still here")


async def test_somebody_elses_token_extends_nothing(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    socket = await gateway.connect(alice, token=gateway.token(alice, expires_in=4))

    await socket.command("refresh", token=gateway.token(bob))

    assert (await socket.expect("error"))["code"] == "unauthorized"
    assert await socket.close_code() == 4001


async def test_who_reads_nothing_is_ended_and_delays_nobody(alice: UUID, bob: UUID) -> None:
    async with running_gateway(max_unsent_bytes=256 * 1024) as gateway:
        room = gateway.chat.room(alice, bob)
        slow = await gateway.connect(alice, receive_buffer=16 * 1024)
        fast = await gateway.connect(bob)
        await slow.stall()

        async def said_until_it_is_gone() -> bool:
            for _ in range(8):
                await gateway.chat.post(room, "x" * 32_000)
            await fast.reach(str(room.id), room.head, within=5)
            return gateway.connected() == 1

        await eventually(said_until_it_is_gone, within=30)
        slow.go_on()
        assert await slow.close_code() in (4008, 1006)
        again = await gateway.connect(alice, resume={str(room.id): room.head - 1})
        await again.reach(str(room.id), room.head)


async def test_who_reads_nothing_for_too_long_is_ended(alice: UUID) -> None:
    async with running_gateway(max_stall=0.5, max_unsent_bytes=1024**3) as gateway:
        room = gateway.chat.room(alice)
        slow = await gateway.connect(alice, receive_buffer=16 * 1024)
        await slow.stall()

        async def filled() -> bool:
            await gateway.chat.post(room, "x" * 32_000)
            return gateway.connected() == 0

        await eventually(filled, within=30)


async def test_a_burst_does_not_end_who_keeps_up(alice: UUID, bob: UUID) -> None:
    async with running_gateway(max_unsent_bytes=1024**2) as gateway:
        room = gateway.chat.room(alice, bob)
        socket = await gateway.connect(alice, receive_buffer=16 * 1024)

        await gateway.chat.broadcast_together(*(gateway.chat.commit(room, "x" * 32_000) for _ in range(150)))

        await socket.reach(str(room.id), 150)
        again = await gateway.connect(bob, resume={str(room.id): 0}, receive_buffer=16 * 1024)
        await again.reach(str(room.id), 150)


async def test_a_peer_that_says_goodbye_without_reading_is_cut(alice: UUID) -> None:
    async with running_gateway(max_unsent_bytes=1024**3) as gateway:
        slow = await _somebody_with_much_unread(gateway, alice)

        slow.connection.protocol.send_close(1000)
        slow.connection.transport.write(b"".join(slow.connection.protocol.data_to_send()))

        await gateway.until_connected(0)
        await gateway.until_no_socket_is_open(within=8)


async def test_a_peer_that_answers_no_ping_is_cut(alice: UUID) -> None:
    async with running_gateway(ping_interval=0.5, max_unsent_bytes=1024**3) as gateway:
        await _somebody_with_much_unread(gateway, alice)

        await gateway.until_connected(0)
        await gateway.until_no_socket_is_open()


async def test_a_peer_that_reads_slowly_is_not_cut_while_it_speaks(alice: UUID) -> None:
    async with running_gateway(ping_interval=0.3, max_unsent_bytes=1024**3) as gateway:
        socket = await _somebody_with_much_unread(gateway, alice)

        for _ in range(10):
            await socket.connection.ping()
            await asyncio.sleep(0.15)
        assert gateway.connected() == 1

        await gateway.until_connected(0)


async def test_a_restart_is_announced_after_what_was_said(alice: UUID) -> None:
    async with running_gateway(max_unsent_bytes=1024**3) as gateway:
        socket = await _somebody_with_much_unread(gateway, alice, 200)

        gateway.server.should_exit = True
        await gateway.until_connected(0)
        socket.go_on()

        assert await socket.close_code() == 1012
        assert list(socket.seen.values()) == [200]


async def test_nothing_is_left_of_those_who_vanish(alice: UUID, bob: UUID) -> None:
    async with running_gateway(command_timeout=0.1) as gateway:
        room = gateway.chat.room(alice, bob)
        connections = [await gateway.connect(user) for user in (alice, bob) * 10]
        gateway.chat.answering.clear()
        for socket in connections:
            await socket.send(str(room.id), "unanswered")

        for number, socket in enumerate(connections):
            if number % 2:
                socket.connection.transport.abort()
            else:
                await socket.connection.close()

        await gateway.until_nothing_is_left()


async def test_a_peer_that_breaks_off_in_the_middle_of_a_frame_leaves_nothing(gateway: GatewayServer) -> None:
    with sockets.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(
            raw,
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        )
        assert (await loop.sock_recv(raw, 1000)).startswith(b"HTTP/1.1 101 ")
        await loop.sock_sendall(raw, b"\x81\xfe\x10\x00half of it")

    await gateway.until_no_socket_is_open()
    assert gateway.nothing_is_left()


async def _somebody_with_much_unread(gateway: GatewayServer, user_id: UUID, messages: int = 500) -> Socket:
    """More than the sockets' buffers take."""
    room = gateway.chat.room(user_id)
    socket = await gateway.connect(user_id, receive_buffer=16 * 1024)
    await socket.stall()
    await gateway.chat.broadcast_together(*(gateway.chat.commit(room, "x" * 32_000) for _ in range(messages)))
    await gateway.heard(room, messages)
    return socket
