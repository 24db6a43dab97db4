"""Who is online, as two gateways beside one another tell it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from common.ids import now, uuid7
from contracts.messages import PresenceQuery, PresenceReport
from contracts.routing import EVERYBODY, PRESENCE
from messaging.bus import Binding
from tests.support.bus import Recorder
from tests.support.client import Socket
from tests.support.gateway_ws import GatewayServer, running_gateway
from tests.support.shapes import Json

INTERVAL = 0.6
CLAIM_HOLDS = 2.5 * INTERVAL
LINGER = 0.3

NEVER_IN_A_TEST = 600.0


@asynccontextmanager
async def two_gateways(
    interval: float = INTERVAL, linger: float = LINGER
) -> AsyncIterator[tuple[GatewayServer, GatewayServer]]:
    times: dict[str, Any] = {"presence_interval": interval, "presence_linger": linger}
    async with running_gateway(**times) as here, running_gateway(broker=here.broker, **times) as there:
        yield here, there


@pytest.fixture
async def gateways() -> AsyncIterator[tuple[GatewayServer, GatewayServer]]:
    async with two_gateways() as gateways:
        yield gateways


async def watching(gateway: GatewayServer, *user_ids: UUID) -> Socket:
    socket = await gateway.connect(uuid7())
    await socket.command("watch", user_ids=[str(user_id) for user_id in user_ids])
    return socket


async def told(socket: Socket, user_id: UUID, *, online: bool) -> Json:
    return await socket.expect("presence", user_id=str(user_id), online=online)


def states(socket: Socket, user_id: UUID) -> list[bool]:
    return [frame["online"] for frame in socket.received("presence", user_id=str(user_id))]


async def test_a_user_comes_and_goes_wherever_they_and_the_watcher_are(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID
) -> None:
    watchers = [await watching(gateway, alice) for gateway in gateways]
    for watcher in watchers:
        assert (await told(watcher, alice, online=False))["last_seen"] is None

    for gateway in gateways:
        of_alice = await gateway.connect(alice)
        for watcher in watchers:
            assert (await told(watcher, alice, online=True))["last_seen"] is None
        before = now()
        await of_alice.close()
        for watcher in watchers:
            last_seen = (await told(watcher, alice, online=False))["last_seen"]
            assert datetime.fromisoformat(last_seen) >= before

    assert [states(watcher, alice) for watcher in watchers] == [[False, True, False, True, False]] * 2


async def test_who_is_there_already_is_told_at_once_and_nothing_else(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID
) -> None:
    await gateways[1].connect(alice)
    watcher = await watching(gateways[0], alice)

    await told(watcher, alice, online=True)

    await asyncio.sleep(2 * CLAIM_HOLDS)
    assert states(watcher, alice) == [True]


async def test_a_user_is_online_while_any_connection_lives(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID
) -> None:
    here, there = gateways
    connections = [await gateway.connect(alice) for gateway in (here, here, there)]
    watcher = await watching(here, alice)
    await told(watcher, alice, online=True)

    for connection in connections[:-1]:
        await connection.close()
    await asyncio.sleep(CLAIM_HOLDS + 2 * LINGER)
    assert states(watcher, alice) == [True]

    await connections[-1].close()
    await told(watcher, alice, online=False)


async def test_who_moves_to_another_gateway_stays_online(alice: UUID) -> None:
    async with two_gateways(linger=2) as (here, there):
        watcher = await watching(here, alice)
        of_alice = await there.connect(alice)
        await told(watcher, alice, online=True)

        await of_alice.close()
        await here.connect(alice)

        await asyncio.sleep(3)
        assert states(watcher, alice) == [True]


async def test_the_users_of_a_killed_gateway_go_offline(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID, bob: UUID
) -> None:
    here, there = gateways
    await there.connect(alice)
    await here.connect(bob)
    watcher = await watching(here, alice, bob)
    for user in (alice, bob):
        await told(watcher, user, online=True)

    await there.bus.stop()  # its connections are there still, and it has no way left to say anything

    assert (await told(watcher, alice, online=False))["last_seen"] is not None
    assert states(watcher, bob) == [True]


async def test_a_gateway_that_ends_in_order_says_so(alice: UUID) -> None:
    async with two_gateways(NEVER_IN_A_TEST) as (here, there):
        watcher = await watching(here, alice)
        await there.connect(alice)
        await told(watcher, alice, online=True)

        there.server.should_exit = True

        await told(watcher, alice, online=False)


async def test_nobody_goes_offline_by_an_outage_of_the_bus_and_what_was_missed_is_made_good(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID, bob: UUID
) -> None:
    here, there = gateways
    await there.connect(alice)
    of_bob = await there.connect(bob)
    watcher = await watching(here, alice, bob)
    for user in (alice, bob):
        await told(watcher, user, online=True)

    for gateway in gateways:
        await gateway.bus.stop()
    await asyncio.sleep(2 * CLAIM_HOLDS)
    await of_bob.close()
    for gateway in gateways:
        await gateway.bus.start()

    await told(watcher, bob, online=False)
    await asyncio.sleep(2 * CLAIM_HOLDS)
    assert states(watcher, alice) == [True]


async def test_only_the_users_of_the_last_set_are_told_of(
    gateways: tuple[GatewayServer, GatewayServer], alice: UUID, bob: UUID
) -> None:
    here, there = gateways
    watcher = await watching(here, alice)
    await told(watcher, alice, online=False)

    await watcher.command("watch", user_ids=[str(bob)])
    await told(watcher, bob, online=False)
    await there.connect(alice)
    await there.connect(bob)
    await told(watcher, bob, online=True)
    assert states(watcher, alice) == [False]

    await watcher.command("watch", user_ids=[])
    await there.until_connected(2)
    for socket in there.sockets:
        await socket.close()
    await asyncio.sleep(CLAIM_HOLDS + 2 * LINGER)
    assert states(watcher, bob) == [False, True]


async def test_more_users_than_may_be_watched_are_a_bad_frame_and_change_nothing(
    gateway: GatewayServer, alice: UUID
) -> None:
    watcher = await watching(gateway, alice)
    await told(watcher, alice, online=False)

    await watcher.command("watch", user_ids=[str(uuid7()) for _ in range(1001)])

    assert (await watcher.expect("error"))["code"] == "bad_frame"
    await gateway.connect(alice)
    await told(watcher, alice, online=True)


async def test_a_full_set_is_told_of_whole(gateway: GatewayServer) -> None:
    users = [uuid7() for _ in range(1000)]
    await gateway.connect(users[500])
    watcher = await watching(gateway, *users)

    for user in users:
        await told(watcher, user, online=user == users[500])


async def test_watching_many_again_and_again_is_too_fast() -> None:
    async with running_gateway(frames_burst=15) as gateway:
        watcher = await watching(gateway, *(uuid7() for _ in range(1000)))
        await watcher.send_raw(
            f'{{"type": "watch", "user_ids": {[str(uuid7()) for _ in range(1000)]}}}'.replace("'", '"')
        )
        await watcher.send_raw('{"type": "watch", "user_ids": []}')

        assert (await watcher.expect("error"))["code"] == "rate_limited"


async def test_gateways_are_asked_only_for_whom_somebody_watches() -> None:
    queries = Recorder()
    async with running_gateway(tap=([Binding(PRESENCE, EVERYBODY)], queries), presence_interval=INTERVAL) as gateway:
        await gateway.connect(uuid7())
        watcher = await watching(gateway, uuid7())
        await queries.until_it_has(2)
        await watcher.close()
        await gateway.until_connected(1)
        await asyncio.sleep(INTERVAL)
        asked = len(queries.deliveries)
        await asyncio.sleep(3 * INTERVAL)

    assert len(queries.deliveries) == asked
    assert {delivery.type for delivery in queries.deliveries} == {PresenceQuery.type}


async def test_presence_waits_for_a_connection_that_is_slow_and_the_truth_comes_in_the_end(
    alice: UUID, bob: UUID
) -> None:
    async with running_gateway(max_unsent_bytes=16 * 1024**2, presence_linger=0) as gateway:
        room = gateway.chat.room(alice)
        slow = await gateway.connect(alice, receive_buffer=16 * 1024)
        quick = await watching(gateway, bob)
        await slow.command("watch", user_ids=[str(bob)])
        for watcher in (slow, quick):
            await told(watcher, bob, online=False)
        await slow.stall()
        (connection,) = gateway.gateway.sessions.of(alice)
        while connection.has_room_for_presence:
            await gateway.chat.broadcast_together(*(gateway.chat.commit(room, "x" * 32_000) for _ in range(50)))
            await gateway.heard(room, room.head)

        of_bob = await gateway.connect(bob)
        await told(quick, bob, online=True)
        await of_bob.close()
        await told(quick, bob, online=False)
        await gateway.connect(bob)
        await told(quick, bob, online=True)
        slow.go_on()

        await told(slow, bob, online=True)
        assert states(slow, bob) == [False, True]


async def test_a_report_about_whom_nobody_watches_is_passed_over(gateway: GatewayServer, alice: UUID) -> None:
    report = PresenceReport(gateway_id="gateway-9", online=[uuid7()], offline={uuid7(): now()})

    gateway.gateway.presence.heard(report)
    watcher = await watching(gateway, alice)

    await told(watcher, alice, online=False)
    assert len(watcher.received("presence")) == 1
