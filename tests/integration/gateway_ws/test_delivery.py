"""What a connection is told of its rooms. The client checks of each room that nothing is missing, repeated or out of
order."""

import asyncio
from uuid import UUID

from contracts.messages import RoomRead, RoomTyping
from tests.support.gateway_ws import GatewayServer, running_gateway


async def test_everybody_in_the_room_gets_what_is_said(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    room = gateway.chat.room(alice, bob, entries=3)
    sockets = [await gateway.connect(user) for user in (alice, alice, bob)]

    entry = await gateway.chat.post(room, "to all")

    for socket in sockets:
        event = await socket.expect("event")
        assert (event["room_id"], event["seq"], event["id"]) == (str(room.id), 4, str(entry.id))
        assert event["data"]["text"] == "to all"


async def test_who_is_no_member_gets_nothing(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    room, other = gateway.chat.room(alice), gateway.chat.room(bob)
    socket = await gateway.connect(bob)

    await gateway.chat.post(room)
    await gateway.chat.post(other)

    assert (await socket.expect("event"))["room_id"] == str(other.id)
    assert len(socket.received("event")) == 1


async def test_a_lost_entry_is_fetched_and_delivered_in_order(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=1)
    socket = await gateway.connect(alice)

    for _ in range(3):
        gateway.chat.commit(room)
    await gateway.chat.post(room)

    await socket.reach(str(room.id), 5)


async def test_neighbours_that_come_the_wrong_way_round_need_no_fetching(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)

    first, second = gateway.chat.commit(room), gateway.chat.commit(room)
    await gateway.chat.broadcast(second, first, first, second)

    await socket.reach(str(room.id), 2)
    assert "entries" not in gateway.chat.asked


async def test_a_hole_waits_until_chat_service_is_back(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    gateway.chat.available = False
    gateway.chat.commit(room)
    await gateway.chat.post(room)

    await gateway.asked("entries")
    assert socket.received("event") == []
    gateway.chat.available = True

    await socket.reach(str(room.id), 2)


async def test_a_lost_last_entry_is_found_by_the_sweep(alice: UUID) -> None:
    async with running_gateway(sweep_interval=0.1) as gateway:
        room = gateway.chat.room(alice)
        socket = await gateway.connect(alice)

        gateway.chat.commit(room)

        await socket.reach(str(room.id), 1)


async def test_the_sweep_leaves_alone_what_somebody_listens_to(alice: UUID, bob: UUID) -> None:
    async with running_gateway(sweep_interval=0.05) as gateway:
        room = gateway.chat.room(alice)
        for _ in range(5):
            gateway.chat.room(bob)
        staying, leaving = await gateway.connect(alice), await gateway.connect(bob)
        await leaving.close()
        await gateway.until_connected(1)
        gateway.chat.available = False  # so that nothing is found otherwise
        gateway.chat.asked.clear()
        await gateway.asked("entries", times=3)

        await gateway.chat.post(room)

        await staying.reach(str(room.id), 1)


async def test_a_resume_replays_what_was_missed_and_goes_on(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=10)
    socket = await gateway.connect(alice, resume={str(room.id): 4})

    await socket.reach(str(room.id), 10)
    await gateway.chat.post(room)
    await socket.reach(str(room.id), 11)

    assert socket.received("gap") == []


async def test_what_is_too_much_to_replay_is_named_by_a_gap(alice: UUID) -> None:
    async with running_gateway(replay_limit=3) as gateway:
        room = gateway.chat.room(alice, entries=10)
        socket = await gateway.connect(alice, resume={str(room.id): 4})

        gap = await socket.expect("gap")
        await socket.reach(str(room.id), 10)

        assert (gap["after"], gap["before"]) == (4, 8)


async def test_what_is_said_while_the_catch_up_is_made_comes_once(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=2)
    before, after = asyncio.Event(), asyncio.Event()
    gateway.chat.before_catch_up.append(before)
    gateway.chat.after_catch_up.append(after)
    socket = await gateway.open(resume={str(room.id): 1})
    hello = asyncio.create_task(socket.hello(gateway.token(alice)))
    await gateway.asked("catch_up")

    await gateway.chat.post(room)  # is in the catch-up and comes by the bus
    before.set()
    await gateway.chat.post(room)  # comes by the bus only, unless the catch-up is late
    after.set()
    await hello

    await socket.reach(str(room.id), 4)


async def test_two_who_come_at_once_with_catch_ups_of_different_age_both_get_all(
    gateway: GatewayServer, alice: UUID, bob: UUID
) -> None:
    room = gateway.chat.room(alice, bob, entries=2)
    late = asyncio.Event()
    gateway.chat.after_catch_up.append(late)
    early_bird = await gateway.open(resume={str(room.id): 2})
    hello = asyncio.create_task(early_bird.hello(gateway.token(alice)))
    await gateway.asked("catch_up")

    missed = [gateway.chat.commit(room), gateway.chat.commit(room)]
    overtaking = await gateway.connect(bob)
    late.set()
    await hello
    await gateway.chat.broadcast(*missed)
    await gateway.chat.post(room)

    await early_bird.reach(str(room.id), 5)
    await overtaking.reach(str(room.id), 5)


async def test_a_new_room_is_told_with_the_joining_entry(gateway: GatewayServer, alice: UUID) -> None:
    socket = await gateway.connect(alice)
    room = gateway.chat.room(entries=3)

    entry, added = gateway.chat.add(room, alice)
    await gateway.chat.tell_of(added)
    await gateway.chat.broadcast(entry)

    assert (await socket.expect("room_added"))["room"]["id"] == str(room.id)
    assert (await socket.expect("event"))["kind"] == "member.joined"
    await gateway.chat.post(room)
    await socket.reach(str(room.id), 5)


async def test_a_room_that_comes_while_hello_is_said_is_told_once(gateway: GatewayServer, alice: UUID) -> None:
    made = asyncio.Event()
    gateway.chat.after_catch_up.append(made)
    socket = await gateway.open()
    hello = asyncio.create_task(socket.hello(gateway.token(alice)))
    await gateway.asked("catch_up")

    room = gateway.chat.room()
    entry, added = gateway.chat.add(room, alice)
    await gateway.chat.tell_of(added)
    await gateway.chat.broadcast(entry)
    made.set()
    welcome = await hello

    assert welcome["rooms"] == []
    await socket.expect("room_added")
    await socket.reach(str(room.id), 1)


async def test_a_removed_member_hears_of_it_last(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    room = gateway.chat.room(alice, bob)
    removed, staying = await gateway.connect(alice), await gateway.connect(bob)

    await gateway.chat.broadcast(gateway.chat.remove(room, alice))
    await gateway.chat.post(room)

    assert (await removed.expect("room_removed"))["reason"] == "removed"
    await staying.reach(str(room.id), 2)
    assert [event["kind"] for event in removed.received("event")] == ["member.removed"]


async def test_a_rejoining_that_overtakes_the_removal_is_told_after_it(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)

    gateway.chat.remove(room, alice)  # is lost, and found a moment later
    joining, added = gateway.chat.add(room, alice)
    await gateway.chat.tell_of(added)
    await gateway.chat.broadcast(joining)

    await socket.expect("room_removed")
    await socket.expect("room_added")
    await gateway.chat.post(room)
    await socket.expect("event", seq=3)


async def test_what_was_lost_with_the_queue_is_looked_up(gateway: GatewayServer, alice: UUID) -> None:
    room, left = gateway.chat.room(alice), gateway.chat.room(alice)
    socket = await gateway.connect(alice)

    await gateway.bus.stop()
    gateway.chat.commit(room)
    gateway.chat.remove(left, alice)
    new = gateway.chat.room(alice, entries=2)
    await gateway.bus.start()

    await socket.reach(str(room.id), 1)
    await socket.expect("room_removed", room_id=str(left.id))
    assert (await socket.expect("room_added"))["room"]["id"] == str(new.id)
    await gateway.chat.post(new)
    await socket.expect("event", room_id=str(new.id), seq=3)


async def test_passing_news_goes_to_the_others(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    room = gateway.chat.room(alice, bob)
    of_alice, of_bob = await gateway.connect(alice), await gateway.connect(bob)

    await of_alice.command("typing", room_id=str(room.id), on=True)
    await of_alice.command("read", room_id=str(room.id), seq=0)

    assert (await of_bob.expect("typing"))["user_id"] == str(alice)
    assert (await of_bob.expect("read"))["seq"] == 0
    assert of_alice.received("typing") == []


async def test_news_of_other_peoples_rooms_are_not_taken(gateway: GatewayServer, alice: UUID, bob: UUID) -> None:
    room = gateway.chat.room(bob)
    of_alice, of_bob = await gateway.connect(alice), await gateway.connect(bob)

    await of_alice.command("typing", room_id=str(room.id), on=True)
    assert (await of_alice.expect("error"))["code"] == "not_a_member"
    await of_alice.command("read", room_id=str(room.id), seq=1)
    assert (await of_alice.expect("error"))["code"] == "not_a_member"
    await gateway.chat.broadcast(RoomTyping(room_id=room.id, user_id=bob, on=True))
    await gateway.chat.broadcast(RoomRead(room_id=room.id, user_id=bob, seq=0))
    await of_bob.expect("read", user_id=str(bob))

    assert of_bob.received("typing") == []
    assert of_alice.received("typing") == []
