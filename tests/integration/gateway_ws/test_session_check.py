"""Sessions that were revoked while the gateway did not hear of it."""

import asyncio
import json
from uuid import UUID, uuid4

from tests.support.eventually import eventually
from tests.support.gateway_ws import GatewayServer


async def test_are_found_when_the_queue_was_lost_with_the_news(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    ended, going_on = uuid4(), uuid4()
    sockets = [await gateway.connect(alice, token=gateway.token(alice, session_id=ended)) for _ in range(2)]
    others = [await gateway.connect(alice, token=gateway.token(alice, session_id=going_on)), await gateway.connect(bob)]
    room = gateway.chat.room(alice)

    await gateway.bus.stop()
    gateway.ended_sessions.add(ended)
    gateway.chat.available = False  # entries are looked up when they can be; this does not wait for it
    await gateway.bus.start()

    assert [await socket.close_code() for socket in sockets] == [4003, 4003]
    gateway.chat.available = True
    again = await gateway.open()
    await again.send_raw(json.dumps({"type": "hello", "token": gateway.token(alice, session_id=ended)}))
    assert await again.close_code() == 4003
    assert again.received("welcome") == []
    assert not any(socket.closed for socket in others)
    await others[0].expect("room_added")
    await others[0].post(str(room.id), "still here")


async def test_are_found_after_the_hello_of_a_token_that_is_still_good(gateway: GatewayServer, alice: UUID) -> None:
    gateway.ended_sessions.add(ended := uuid4())

    socket = await gateway.connect(alice, token=gateway.token(alice, session_id=ended))

    assert await socket.close_code() == 4003


async def test_are_found_after_a_refresh(gateway: GatewayServer, alice: UUID) -> None:
    gateway.ended_sessions.add(ended := uuid4())
    socket = await gateway.connect(alice)

    await socket.command("refresh", token=gateway.token(alice, session_id=ended))

    assert await socket.close_code() == 4003


async def test_are_asked_about_until_there_is_an_answer_and_nobody_waits_for_it(
    gateway: GatewayServer, alice: UUID, bob: UUID
) -> None:
    room = gateway.chat.room(alice, bob)
    gateway.ended_sessions.add(ended := uuid4())
    gateway.sessions_available = False

    of_alice = await gateway.connect(alice, token=gateway.token(alice, session_id=ended))
    of_bob = await gateway.connect(bob)
    for socket in (of_alice, of_bob):
        await socket.post(str(room.id), "talking meanwhile")
    await asked(gateway, 3)
    assert not of_alice.closed

    gateway.sessions_available = True

    assert await of_alice.close_code() == 4003
    await of_bob.post(str(room.id), "still here")


async def test_that_end_while_they_are_asked_about_are_asked_about_again(gateway: GatewayServer, alice: UUID) -> None:
    room, ending = gateway.chat.room(alice), uuid4()
    gateway.sessions_answering.clear()
    socket = await gateway.connect(alice, token=gateway.token(alice, session_id=ending))
    await asked(gateway, 1)

    gateway.ended_sessions.add(ending)
    await socket.command("refresh", token=gateway.token(alice, session_id=ending))
    await socket.post(str(room.id), "the refresh has been heeded")
    gateway.sessions_answering.set()

    assert await socket.close_code() == 4003


async def test_of_many_who_come_together_are_asked_about_together(gateway: GatewayServer, alice: UUID) -> None:
    ended, going_on = ([uuid4() for _ in range(20)] for _ in range(2))
    gateway.ended_sessions.update(ended)
    gateway.sessions_available = False
    sockets = {
        session_id: await gateway.connect(alice, token=gateway.token(alice, session_id=session_id))
        for session_id in (*ended, *going_on)
    }

    gateway.sessions_available = True

    assert {await sockets[session_id].close_code() for session_id in ended} == {4003}
    assert not any(sockets[session_id].closed for session_id in going_on)
    assert set(gateway.sessions_asked[-1]) == sockets.keys()


async def test_of_those_who_have_gone_are_not_asked_about(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    gateway.sessions_available = False
    gone = await gateway.connect(alice)
    await asked(gateway, 1)
    await gone.close()
    await gateway.until_connected(0)
    gateway.sessions_available = True

    await gateway.connect(bob)
    await asked(gateway, len(gateway.sessions_asked) + 1)

    assert len(gateway.sessions_asked[-1]) == 1
    await asyncio.sleep(0.5)
    assert len(gateway.sessions_asked[-1]) == 1


async def asked(gateway: GatewayServer, times: int) -> None:
    async def enough() -> bool:
        return len(gateway.sessions_asked) >= times

    await eventually(enough)
