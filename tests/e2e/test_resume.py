"""Coming back: resume points, gaps, and what one is told of one's own rooms."""

import asyncio
import contextlib

from tests.support.client import Socket, User
from tests.support.factories import Connect, CreateUser
from tests.support.shapes import EVENT_FIELDS, ROOM_FIELDS, Json, assert_fields, ok


async def talk(user: User, room: Json, count: int, connect: Connect) -> int:
    """Sends so many messages and returns the last one's seq."""
    socket = await connect(user)
    ids = [await socket.send(room["id"], f"number {number}") for number in range(count)]
    acks = [await socket.answer(command_id) for command_id in ids]
    last: int = acks[-1]["seq"]
    return last


def events_of(socket: Socket, room: Json) -> list[Json]:
    return [{name: frame[name] for name in EVENT_FIELDS} for frame in socket.received("event", room_id=room["id"])]


class TestResume:
    async def test_brings_what_was_missed_and_goes_on_with_what_is_new(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        first = await connect(bob)
        await first.close()
        head = await talk(alice, room, 20, connect)

        second = await connect(bob, resume=first.seen)

        await second.reach(room["id"], head)
        ok(await alice.send(room["id"], "and on"), 201)
        await second.expect_text(room["id"], "and on")
        log = [{name: event[name] for name in EVENT_FIELDS} for event in await alice.log(room["id"])]
        assert events_of(second, room) == log[room["head"] :]

    async def test_from_the_beginning_brings_the_whole_log(self, room: Json, alice: User, connect: Connect) -> None:
        head = await talk(alice, room, 10, connect)

        socket = await connect(alice, resume={room["id"]: 0})

        await socket.reach(room["id"], head)
        assert [event["seq"] for event in events_of(socket, room)] == list(range(1, head + 1))

    async def test_without_a_resume_point_starts_at_the_head(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        await talk(alice, room, 5, connect)

        socket = await connect(bob)

        ok(await alice.send(room["id"], "new"), 201)
        await socket.expect_text(room["id"], "new")
        assert [event["data"]["text"] for event in events_of(socket, room)] == ["new"]

    async def test_after_very_many_messages_names_the_gap_and_brings_the_latest(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        head = await talk(alice, room, 250, connect)

        socket = await connect(bob, resume={room["id"]: room["head"]})

        gap = await socket.expect("gap", room_id=room["id"])
        assert gap["after"] == room["head"]
        await socket.reach(room["id"], head)
        replayed = events_of(socket, room)
        assert [event["seq"] for event in replayed] == list(range(gap["before"], head + 1))
        missed = [event for event in await bob.log(room["id"], gap["after"]) if event["seq"] < gap["before"]]
        assert [event["seq"] for event in missed] == list(range(gap["after"] + 1, gap["before"]))

    async def test_in_the_midst_of_talk_loses_and_doubles_nothing(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        seen: dict[str, int] = {room["id"]: room["head"]}
        heard: list[Json] = []
        talking = asyncio.create_task(talk(alice, room, 250, connect))
        while not talking.done():
            socket = await connect(bob, resume=seen)
            with contextlib.suppress(AssertionError):  # the talk may be over
                await socket.news(within=0.5)
            await socket.close()
            seen = socket.seen
            heard += events_of(socket, room)

        last = await connect(bob, resume=seen)
        await last.reach(room["id"], await talking)

        heard += events_of(last, room)
        assert [event["seq"] for event in heard] == list(range(room["head"] + 1, room["head"] + 251))

    async def test_to_a_room_that_was_lost_meanwhile_brings_nothing_of_it(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        await alice.remove(room["id"], bob)
        ok(await alice.send(room["id"], "without you"), 201)

        socket = await connect(bob, resume={room["id"]: 1})

        assert room["id"] not in [item["id"] for item in socket.welcome["rooms"]]
        own = await bob.create_room()
        await socket.expect("room_added")
        ok(await bob.send(own["id"], "a barrier"), 201)
        await socket.expect_text(own["id"], "a barrier")
        assert events_of(socket, room) == []

    async def test_from_beyond_the_head_or_of_no_room_does_no_harm(
        self, room: Json, alice: User, open_raw: Connect
    ) -> None:
        socket = await open_raw()
        resume = {room["id"]: room["head"] + 1000, "01890000-0000-7000-8000-000000000000": 5}

        await socket.hello(alice.account.access_token, resume=resume)

        socket.seen[room["id"]] = room["head"]
        await socket.post(room["id"], "still here")
        await socket.expect_text(room["id"], "still here")


class TestMembership:
    async def test_a_new_room_is_announced_to_its_creator_and_heard_at_once(
        self, create_user: CreateUser, connect: Connect
    ) -> None:
        user = await create_user()
        sockets = [await connect(user) for _ in range(4)]

        room = await user.create_room()
        ok(await user.send(room["id"], "first words"), 201)

        for socket in sockets:
            added = await socket.expect("room_added")
            assert_fields(added["room"], ROOM_FIELDS)
            assert (added["room"]["id"], added["room"]["role"]) == (room["id"], "owner")
            await socket.expect_text(room["id"], "first words")

    async def test_being_added_is_announced_on_every_connection(
        self, room: Json, alice: User, create_user: CreateUser, connect: Connect
    ) -> None:
        user = await create_user()
        sockets = [await connect(user) for _ in range(4)]

        await alice.add(room["id"], user)
        ok(await alice.send(room["id"], "welcome"), 201)

        for socket in sockets:
            added = await socket.expect("room_added")
            assert (added["room"]["id"], added["room"]["role"]) == (room["id"], "member")
            await socket.expect_text(room["id"], "welcome")

    async def test_a_joining_is_told_to_those_inside(self, alice: User, bob: User, connect: Connect) -> None:
        room = await alice.create_room("public")
        inside = await connect(alice)

        ok(await bob.post(f"/rooms/{room['id']}/join"))

        event = await inside.expect("event", room_id=room["id"], kind="member.joined")
        assert event["actor_id"] == bob.id
        assert event["data"]["user_id"] == bob.id
        assert event["data"]["username"] == bob.account.username

    async def test_the_last_thing_a_removed_member_hears_is_the_removal(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sockets = [await connect(bob) for _ in range(4)]
        sender = await connect(alice)
        for number in range(5):
            await sender.send(room["id"], f"before {number}")

        await alice.remove(room["id"], bob)
        last = await sender.post(room["id"], "after")

        await sender.reach(room["id"], last["seq"])
        for socket in sockets:
            removed = await socket.expect("room_removed", room_id=room["id"])
            assert removed["reason"] == "removed"
            await assert_hears_only_of_its_own_room(socket, bob)
            heard = events_of(socket, room)
            assert heard[-1]["kind"] == "member.removed"
            assert heard[-1]["data"]["user_id"] == bob.id

    async def test_the_last_thing_that_one_hears_of_a_room_one_left_is_the_leaving(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(bob)

        response = await bob.post(f"/rooms/{room['id']}/leave")
        ok(await alice.send(room["id"], "after"), 201)

        assert response.status_code == 204
        assert (await socket.expect("room_removed", room_id=room["id"]))["reason"] == "left"
        await assert_hears_only_of_its_own_room(socket, bob)
        assert events_of(socket, room)[-1]["kind"] == "member.left"

    async def test_a_removed_member_can_send_no_more(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(bob)
        await alice.remove(room["id"], bob)

        answer = await socket.answer(await socket.send(room["id"], "but"))

        assert (answer["type"], answer["code"]) == ("error", "not_a_member")

    async def test_one_who_was_removed_and_added_again_hears_on(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sockets = [await connect(bob) for _ in range(4)]
        for number in range(3):
            await alice.remove(room["id"], bob)
            await alice.add(room["id"], bob)
            ok(await alice.send(room["id"], f"again {number}"), 201)

        for socket in sockets:
            await socket.expect_text(room["id"], "again 2")

    async def test_the_end_of_a_room_is_told_to_all_its_members(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        sockets = [await connect(user) for user in (alice, bob)]

        response = await alice.delete(f"/rooms/{room['id']}")

        assert response.status_code == 204
        for socket in sockets:
            assert (await socket.expect("room_removed", room_id=room["id"]))["reason"] == "room_deleted"

    async def test_changes_of_role_and_name_are_told(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(bob)

        await alice.add(room["id"], bob, "admin")
        ok(await alice.patch(f"/rooms/{room['id']}", {"name": "Renamed"}))

        changed = await socket.expect("event", room_id=room["id"], kind="member.role_changed")
        assert (changed["data"]["user_id"], changed["data"]["role"]) == (bob.id, "admin")
        updated = await socket.expect("event", room_id=room["id"], kind="room.updated")
        assert updated["data"]["name"] == "Renamed"


async def assert_hears_only_of_its_own_room(socket: Socket, user: User) -> None:
    """Goes through a later event, so that anything sent before it has arrived; the socket itself judges (G5)."""
    own = await user.create_room()
    ok(await user.send(own["id"], "a barrier"), 201)
    await socket.expect_text(own["id"], "a barrier")
