"""How connections end: every documented close code that a client can bring about, and bad frames that end nothing."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import tokens
from tests.support.client import Socket, User, new_command_id
from tests.support.factories import Connect, Measured
from tests.support.product import Product
from tests.support.shapes import Json, ok

MAX_FRAME_BYTES = 64 * 1024
NOWHERE = "01890000-0000-7000-8000-000000000000"


def padded(frame: Json, size: int) -> str:
    """The frame as JSON of exactly this many bytes."""
    text = json.dumps(frame)
    return text + " " * (size - len(text))


class TestBadFrames:
    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param("hello?", id="not-json"),
            pytest.param("", id="empty"),
            pytest.param("{", id="half-json"),
            pytest.param("[]", id="list"),
            pytest.param("null", id="null"),
            pytest.param('"send"', id="string"),
            pytest.param("{}", id="no-type"),
            pytest.param('{"type": "sing"}', id="unknown-type"),
            pytest.param('{"type": 1}', id="type-that-is-a-number"),
            pytest.param('{"type": ["send"]}', id="type-that-is-a-list"),
            pytest.param('{"type": "welcome"}', id="a-server-frame"),
            pytest.param('{"type": "send"}', id="no-fields"),
            pytest.param('{"type": "typing", "room_id": "1", "on": true}', id="room-that-is-no-id"),
            pytest.param('{"type": "read", "room_id": null, "seq": -1}', id="negative-seq"),
            pytest.param("[" * 30_000, id="deep-list"),
            pytest.param('{"type": "send", "n": ' + "9" * 5_000 + "}", id="long-number"),
            pytest.param('{"type": "\\ud800"}', id="lone-surrogate"),
        ],
    )
    async def test_are_answered_and_the_connection_goes_on(
        self, room: Json, alice: User, connect: Connect, raw: str
    ) -> None:
        socket = await connect(alice)

        await socket.send_raw(raw)

        error = await socket.expect("error")
        assert error["code"] == "bad_frame"
        assert isinstance(error["detail"], str)
        await socket.post(room["id"], "still here")

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param({"text": 1}, id="text-that-is-a-number"),
            pytest.param({"text": None}, id="no-text"),
            pytest.param({"text": ""}, id="empty-text"),
            pytest.param({"text": "a\x00b"}, id="text-with-nul"),
            pytest.param({"text": "a\ud800b"}, id="text-with-lone-surrogate"),
            pytest.param({"room_id": "everywhere"}, id="room-that-is-no-id"),
            pytest.param({"reply_to": 7}, id="reply-to-that-is-no-id"),
        ],
    )
    async def test_with_an_id_are_answered_under_that_id(
        self, room: Json, alice: User, connect: Connect, wrong: Json
    ) -> None:
        socket = await connect(alice)
        command_id = new_command_id()

        frame = {"type": "send", "id": command_id, "room_id": room["id"], "text": "a", **wrong}
        await socket.send_raw(json.dumps(frame))

        answer = await socket.answer(command_id)
        assert (answer["type"], answer["code"]) == ("error", "bad_frame")
        await socket.post(room["id"], "still here")
        assert await alice.texts(room["id"]) == ["still here"]

    async def test_whose_id_is_no_uuid_are_answered(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        await socket.command("send", id="1", room_id=room["id"], text="a")

        assert (await socket.expect("error"))["code"] == "bad_frame"
        assert await alice.texts(room["id"]) == []

    async def test_of_64_kib_are_taken(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)
        command_id = new_command_id()
        frame = {"type": "send", "id": command_id, "room_id": room["id"], "text": "just fits"}

        await socket.send_raw(padded(frame, MAX_FRAME_BYTES))

        assert (await socket.answer(command_id))["type"] == "ack"

    async def test_repeated_a_few_times_a_second_end_nothing(self, room: Json, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        for _ in range(5):
            await socket.command("sing")

        await socket.post(room["id"], "still here")
        assert [error["code"] for error in socket.received("error")] == ["bad_frame"] * 5


class TestWrongClients:
    async def test_that_send_binary_are_closed_with_1003(self, alice: User, connect: Connect) -> None:
        socket = await connect(alice)

        await socket.send_raw(b'{"type": "typing"}')

        assert await socket.close_code() == 1003

    @pytest.mark.parametrize("raw", [b"\xff", b'{"type": "\xc3\x28"}', b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
    async def test_that_send_broken_utf_8_are_closed_with_1007(self, alice: User, connect: Connect, raw: bytes) -> None:
        socket = await connect(alice)

        await socket.send_raw(raw, text=True)

        assert await socket.close_code() == 1007

    @pytest.mark.parametrize("size", [MAX_FRAME_BYTES + 1, 10 * 1024 * 1024])
    async def test_that_send_more_than_64_kib_are_closed_with_1009(
        self, room: Json, alice: User, connect: Connect, size: int
    ) -> None:
        socket = await connect(alice)
        frame = {"type": "send", "id": new_command_id(), "room_id": room["id"], "text": "too big"}

        with contextlib.suppress(ConnectionClosed):  # told so while still sending
            await socket.send_raw(padded(frame, size))

        assert await socket.close_code() == 1009
        assert await alice.texts(room["id"]) == []

    async def test_that_send_broken_things_before_hello_are_closed_in_the_same_way(self, open_raw: Connect) -> None:
        codes = []
        for raw, text in ((b"\x00", False), (b"\xff", True), (b" " * (MAX_FRAME_BYTES + 1), True)):
            socket = await open_raw()
            await socket.send_raw(raw, text=text)
            codes.append(await socket.close_code())

        assert codes == [1003, 1007, 1009]


class TestUnauthorized:
    async def test_is_who_says_nothing_for_10_seconds(self, open_raw: Connect) -> None:
        opened = time.monotonic()
        socket = await open_raw()

        assert await socket.close_code(within=15) == 4001

        assert 8 < time.monotonic() - opened < 12

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(json.dumps({"type": "typing", "room_id": NOWHERE, "on": True}), id="another-frame"),
            pytest.param('{"type": "send"}', id="a-bad-frame"),
            pytest.param("hello", id="not-json"),
            pytest.param('{"type": "hello"}', id="no-token"),
            pytest.param('{"type": "hello", "token": null}', id="null-token"),
            pytest.param('{"type": "hello", "token": ""}', id="empty-token"),
            pytest.param('{"type": "hello", "token": "a.b.c"}', id="made-up-token"),
            pytest.param(json.dumps({"type": "hello", "token": "x" * 60_000}), id="long-token"),
        ],
    )
    async def test_is_who_does_not_begin_with_a_hello_and_a_token(self, open_raw: Connect, raw: str) -> None:
        socket = await open_raw()

        await socket.send_raw(raw)

        assert await socket.close_code() == 4001
        assert socket.received("welcome") == []

    @pytest.mark.parametrize(
        "forge",
        [
            pytest.param(tokens.without_signature, id="alg-none"),
            pytest.param(tokens.signed_by_a_stranger, id="other-key"),
            pytest.param(lambda token: tokens.with_other_claims(token, exp=2**40), id="other-claims"),
        ],
    )
    async def test_is_whose_token_is_forged(self, alice: User, open_raw: Connect, forge: Callable[[str], str]) -> None:
        socket = await open_raw()

        await socket.send_raw(json.dumps({"type": "hello", "token": forge(alice.account.access_token)}))

        assert await socket.close_code() == 4001
        assert socket.received("welcome") == []

    async def test_is_whose_token_has_expired(self, alice: User, open_raw: Connect, product: Product) -> None:
        socket = await open_raw()
        expired = tokens.expiring(alice.account.access_token, product.signing_key, in_s=-1)

        await socket.send_raw(json.dumps({"type": "hello", "token": expired}))

        assert await socket.close_code() == 4001

    async def test_is_whose_token_stands_in_the_address(self, alice: User, open_raw: Connect) -> None:
        socket = await open_raw(query=f"token={alice.account.access_token}")

        await socket.send_raw('{"type": "hello"}')

        assert await socket.close_code() == 4001


class TestFlooding:
    async def test_is_warned_of_then_ended_with_4029_and_costs_the_others_nothing(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        flooder, other = await connect(alice), await connect(bob)
        frame = json.dumps({"type": "typing", "room_id": room["id"], "on": True})

        async def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await flooder.send_raw(frame)
                    await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        for number in range(10):
            await other.post(room["id"], f"number {number}")
        assert await flooder.close_code(within=30) == 4029
        await flooding

        warnings = flooder.received("error", code="rate_limited")
        assert warnings
        assert all(warning["retry_after"] > 0 for warning in warnings)
        assert await alice.texts(room["id"]) == [f"number {number}" for number in range(10)]

    async def test_with_commands_answers_each_that_is_not_taken(
        self, room: Json, alice: User, connect: Connect
    ) -> None:
        socket = await connect(alice)
        limits = socket.welcome["limits"]
        count = limits["frames_burst"] + int(limits["frames_per_second"] / 2) + 5
        ids = [new_command_id() for _ in range(count)]
        for command_id in ids:
            frame = {"type": "send", "id": command_id, "room_id": room["id"], "text": command_id}
            await socket.send_raw(json.dumps(frame))

        answers = [await socket.answer(command_id) for command_id in ids]

        taken = [answer["id"] for answer in answers if answer["type"] == "ack"]
        refused = [answer for answer in answers if answer["type"] == "error"]
        assert refused
        assert all(answer["code"] == "rate_limited" and answer["retry_after"] > 0 for answer in refused)
        assert await alice.texts(room["id"]) == taken


class TestSlowConsumer:
    @pytest.mark.timeout(600)
    async def test_is_ended_with_4008_delays_nobody_and_comes_back_whole(
        self, room: Json, alice: User, bob: User, connect: Connect, measured: Measured
    ) -> None:
        slow = await connect(bob, receive_buffer=16 * 1024)
        fast = await connect(bob)
        senders = [await connect(alice) for _ in range(8)]
        room_id, text = room["id"], "🎈" * 8000  # 32 KiB in UTF-8
        latencies: list[float] = []
        head = room["head"]

        async def talk(sender: Socket, messages: int) -> None:
            nonlocal head
            for _ in range(messages):
                asked = time.monotonic()
                ack = await sender.post(room_id, text)
                head = max(head, ack["seq"])
                await fast.reach(room_id, ack["seq"])
                latencies.append(time.monotonic() - asked)

        # how much the sockets' buffers on the way swallow is the kernel's affair: with a proxy or two up to 76
        for mebibytes in (16, 32, 64, 128):
            await slow.stall()
            await asyncio.gather(*(talk(sender, mebibytes * 32 // len(senders)) for sender in senders))
            slow.go_on()
            with contextlib.suppress(AssertionError):  # closed before that
                await slow.reach(room_id, head, within=30)
            if slow.closed:
                break

        assert await slow.close_code() in (4008, 1006)
        assert slow.seen[room_id] < head
        again = await connect(bob, resume=slow.seen)
        await again.reach(room_id, head, within=30)
        assert not fast.closed
        measured(f"beside a stalled reader: at most {max(latencies):.2f} s from sending to delivery")

    async def test_is_not_who_keeps_up_with_a_burst(self, room: Json, alice: User, bob: User, connect: Connect) -> None:
        sender, reader = await connect(alice), await connect(bob)

        ids = [await sender.send(room["id"], "🎈" * 8000) for _ in range(100)]  # 3 MiB, in few batches

        for command_id in ids:
            assert (await sender.answer(command_id))["type"] == "ack"
        await reader.reach(room["id"], room["head"] + 100)
        again = await connect(bob, resume={room["id"]: room["head"]})
        await again.reach(room["id"], room["head"] + 100)


class TestHandshake:
    @pytest.mark.parametrize("path", ["/ws/", "/ws/x", "/socket", "/api/v1/ws"])
    async def test_is_refused_at_any_other_address(self, base_url: str, path: str) -> None:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
            response = await http.get(path, headers=headers)

        assert response.status_code in (403, 404)

    async def test_is_needed(self, http: httpx.AsyncClient) -> None:
        response = await http.get("/ws")

        assert response.status_code in (400, 404, 405, 426)

    async def test_by_many_who_leave_at_once_harms_nobody(
        self, room: Json, alice: User, connect: Connect, open_raw: Connect
    ) -> None:
        for _ in range(10):
            visitors = await asyncio.gather(*(open_raw() for _ in range(20)))
            for visitor in visitors:
                visitor.connection.transport.abort()

        await (await connect(alice)).post(room["id"], "still here")
        ok(await alice.get("/rooms"))
