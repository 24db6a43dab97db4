"""Who is online: watching, coming and going, on whichever gateway."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support.client import Socket, User
from tests.support.factories import Connect, CreateUser
from tests.support.shapes import Json, assert_fields, assert_time

SEVERAL_SOCKETS = 4
"""So many that with two gateways, chosen at random, they are mostly on both."""


async def watch(socket: Socket, *user_ids: str) -> None:
    await socket.command("watch", user_ids=list(user_ids))


async def told(socket: Socket, user: User, *, online: bool) -> Json:
    return await socket.expect("presence", user_id=user.id, online=online)


def states(socket: Socket, user: User) -> list[bool]:
    return [frame["online"] for frame in socket.received("presence", user_id=user.id)]


@pytest.fixture
async def dave(create_user: CreateUser) -> User:
    """Somebody of whom no other test has a connection."""
    return await create_user()


async def test_a_watched_user_comes_and_goes(alice: User, dave: User, connect: Connect) -> None:
    watchers = [await connect(alice) for _ in range(SEVERAL_SOCKETS)]
    for watcher in watchers:
        await watch(watcher, dave.id)
        frame = await told(watcher, dave, online=False)
        assert_fields(frame, {"type", "user_id", "online", "last_seen"})
        assert frame["last_seen"] is None

    his = await connect(dave)
    for watcher in watchers:
        assert (await told(watcher, dave, online=True))["last_seen"] is None
    await his.close()

    for watcher in watchers:
        last_seen = (await told(watcher, dave, online=False))["last_seen"]
        assert_time(last_seen)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(last_seen)) < timedelta(minutes=1)
        assert states(watcher, dave) == [False, True, False]


async def test_who_is_online_already_is_told_soon(alice: User, dave: User, connect: Connect) -> None:
    await connect(dave)
    hers = await connect(alice)

    await watch(hers, dave.id, alice.id)

    await told(hers, dave, online=True)
    await told(hers, alice, online=True)


async def test_one_is_online_until_the_last_connection_has_ended(alice: User, dave: User, connect: Connect) -> None:
    first, *others = [await connect(dave) for _ in range(SEVERAL_SOCKETS)]
    hers = await connect(alice)
    await watch(hers, dave.id)
    await told(hers, dave, online=True)

    for socket in others:
        await socket.close()
    await asyncio.sleep(4)  # longer than it takes for somebody who has gone to count as offline
    assert states(hers, dave) == [True]

    await first.close()
    await told(hers, dave, online=False)


async def test_who_reconnects_at_once_has_not_been_away(alice: User, dave: User, connect: Connect) -> None:
    hers, his = await connect(alice), await connect(dave)
    await watch(hers, dave.id)
    await told(hers, dave, online=True)

    for _ in range(SEVERAL_SOCKETS):
        await his.close()
        his = await connect(dave)

    await asyncio.sleep(4)
    assert states(hers, dave) == [True]


async def test_a_new_set_replaces_the_former_one_and_an_empty_one_ends_it(
    alice: User, dave: User, create_user: CreateUser, connect: Connect
) -> None:
    erin = await create_user()
    hers = await connect(alice)
    await watch(hers, dave.id)
    await told(hers, dave, online=False)

    await watch(hers, erin.id)
    await told(hers, erin, online=False)
    sockets = [await connect(user) for user in (dave, erin)]
    await told(hers, erin, online=True)
    assert states(hers, dave) == [False]

    await watch(hers)
    witness = await connect(alice)
    await watch(witness, erin.id)
    await told(witness, erin, online=True)
    for socket in sockets:
        await socket.close()
    await told(witness, erin, online=False)
    assert states(hers, erin) == [False, True]


async def test_who_does_not_exist_is_offline(alice: User, connect: Connect) -> None:
    hers, nobody = await connect(alice), str(uuid4())

    await watch(hers, nobody)

    frame = await hers.expect("presence", user_id=nobody)
    assert (frame["online"], frame["last_seen"]) == (False, None)


async def test_up_to_a_thousand_may_be_watched(alice: User, dave: User, connect: Connect) -> None:
    hers = await connect(alice)
    assert hers.welcome["limits"]["watched_users"] == 1000
    others = [str(uuid4()) for _ in range(999)]

    await watch(hers, dave.id, *others, str(uuid4()))
    assert (await hers.expect("error"))["code"] == "bad_frame"

    await watch(hers, dave.id, *others)
    for user_id in (dave.id, *others):
        await hers.expect("presence", user_id=user_id, online=False)
    await connect(dave)
    await told(hers, dave, online=True)


async def test_nobody_is_told_of_whom_they_do_not_watch(
    room: Json, alice: User, bob: User, dave: User, connect: Connect
) -> None:
    hers, his = await connect(alice), await connect(bob)
    await watch(hers, dave.id)
    await told(hers, dave, online=False)

    await connect(dave)
    await told(hers, dave, online=True)

    await his.post(room["id"], "a barrier")
    assert his.received("presence") == []
    assert {event["kind"] for event in await alice.log(room["id"])} <= {"member.joined", "message.posted"}
