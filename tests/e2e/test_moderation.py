"""Removing, banning and muting, and what those whom it befalls still hear: nothing."""

import asyncio
from typing import Any

import pytest

from tests.support.client import Socket, User, new_command_id
from tests.support.factories import Connect, CreateUser
from tests.support.shapes import Json, assert_fields, assert_time, invalid_request, ok, problem


def of_room(socket: Socket, room: Json) -> list[Json]:
    """All that a connection has been told of a room since the welcome, passing news included."""
    return [frame for frame in socket.frames if frame.get("room_id") == room["id"]]


async def roles(user: User, room: Json) -> dict[str, str]:
    members = ok(await user.get(f"/rooms/{room['id']}/members"))["items"]
    return {member["user_id"]: member["role"] for member in members}


@pytest.fixture
async def public(alice: User, bob: User) -> Json:
    """A public room that alice owns and bob is a member of."""
    room = await alice.create_room("public")
    ok(await bob.post(f"/rooms/{room['id']}/join"))
    return await alice.room(room["id"])


class TestRemoval:
    @pytest.mark.parametrize("how", ["removed", "banned"])
    async def test_is_the_last_that_each_connection_hears_of_a_room(
        self, room: Json, alice: User, bob: User, carol: User, connect: Connect, how: str
    ) -> None:
        await alice.add(room["id"], carol)
        elsewhere = await alice.create_room()
        await alice.add(elsewhere["id"], bob)
        of_bob = [await connect(bob), await connect(bob)]
        of_alice, of_carol = await connect(alice), await connect(carol)
        await of_alice.command("typing", room_id=room["id"], on=True)
        for socket in of_bob:
            await socket.expect("typing", room_id=room["id"])

        await (alice.ban if how == "banned" else alice.remove)(room["id"], bob)
        for socket in of_bob:
            await socket.expect("room_removed", room_id=room["id"])
        await of_alice.post(room["id"], "are we alone?")
        await of_alice.command("typing", room_id=room["id"], on=False)
        head = (await alice.room(room["id"]))["head"]
        await of_alice.command("read", room_id=room["id"], seq=head)
        await of_carol.expect_text(room["id"], "are we alone?")
        await of_carol.expect("typing", room_id=room["id"], on=False)
        await of_carol.expect("read", room_id=room["id"], user_id=alice.id)

        await of_alice.post(elsewhere["id"], "a barrier")
        for socket in of_bob:
            await socket.expect_text(elsewhere["id"], "a barrier")
            _, removal, removed = of_room(socket, room)
            assert (removal["type"], removal["kind"], removal["actor_id"]) == ("event", "member.removed", alice.id)
            assert removal["data"] == {"user_id": bob.id}
            assert removed == {"type": "room_removed", "room_id": room["id"], "reason": "removed"}

    async def test_takes_the_say_on_connections_that_stay_open(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(bob)
        message = await socket.post(room["id"], "still mine?")

        await alice.remove(room["id"], bob)
        await socket.expect("room_removed", room_id=room["id"])

        about = {"room_id": room["id"], "message_id": message["message_id"]}
        commands: list[tuple[str, Json]] = [
            ("send", {"room_id": room["id"], "text": "let me"}),
            ("edit", {**about, "text": "no longer"}),
            ("react", {**about, "emoji": "👍", "on": True}),
            ("delete", about),
        ]
        for type, fields in commands:
            id = new_command_id()
            await socket.command(type, id=id, **fields)
            assert (await socket.answer(id))["code"] == "not_a_member"
        for type, fields in (("typing", {"on": True}), ("read", {"seq": 1})):
            await socket.command(type, room_id=room["id"], **fields)
            await socket.expect("error", code="not_a_member")
        assert await alice.texts(room["id"]) == ["still mine?"]

    async def test_closes_the_room_over_http_as_well(self, room: Json, alice: User, bob: User) -> None:
        ok(await bob.send(room["id"], "mine"), 201)
        await alice.remove(room["id"], bob)
        path = f"/rooms/{room['id']}"

        for what in ("members", "messages", "events", "bans", "mutes"):
            problem(await bob.get(f"{path}/{what}"), 403, "not_a_member")
        problem(await bob.send(room["id"], "still here?"), 403, "not_a_member")
        problem(await bob.patch(path, {"name": "Mine"}), 403, "forbidden")

    async def test_while_away_is_told_at_the_return(self, room: Json, alice: User, bob: User, connect: Connect) -> None:
        away = await connect(bob)
        await away.post(room["id"], "back in a minute")
        await away.reach(room["id"], room["head"] + 1)
        await away.close()
        await alice.remove(room["id"], bob)
        ok(await alice.send(room["id"], "not for bob"), 201)

        socket = await connect(bob, resume={room["id"]: away.seen[room["id"]]})
        await socket.expect("room_removed", room_id=room["id"], reason="removed")

        own = await bob.create_room()
        await socket.expect("room_added")
        ok(await bob.send(own["id"], "a barrier"), 201)
        await socket.expect_text(own["id"], "a barrier")
        assert room["id"] not in [one["id"] for one in socket.welcome["rooms"]]
        assert [frame["type"] for frame in of_room(socket, room)] == ["room_removed"]
        assert socket.frames[1]["type"] == "room_removed"


class TestBans:
    async def test_keep_out_until_they_are_lifted(self, public: Json, alice: User, bob: User, connect: Connect) -> None:
        socket = await connect(bob)
        path = f"/rooms/{public['id']}"

        await alice.ban(public["id"], bob)
        await socket.expect("room_removed", room_id=public["id"])
        problem(await bob.post(f"{path}/join"), 403, "banned")
        problem(await alice.put(f"{path}/members/{bob.id}", {"role": "member"}), 403, "banned")

        assert (await alice.delete(f"{path}/bans/{bob.id}")).status_code == 204
        assert ok(await bob.post(f"{path}/join"))["role"] == "member"
        assert (await socket.expect("room_added"))["room"]["id"] == public["id"]

    async def test_are_for_those_who_have_not_come_yet_too(self, public: Json, alice: User, carol: User) -> None:
        await alice.ban(public["id"], carol)

        problem(await carol.post(f"/rooms/{public['id']}/join"), 403, "banned")
        problem(await alice.put(f"/rooms/{public['id']}/bans/01890000-0000-7000-8000-000000000000"), 404, "not_found")

    async def test_are_listed_for_admins(self, public: Json, alice: User, bob: User, carol: User) -> None:
        path = f"/rooms/{public['id']}/bans"
        await alice.ban(public["id"], carol)

        listed = ok(await alice.get(path))

        (ban,) = listed["items"]
        assert_fields(ban, {"user_id", "username", "display_name", "banned_by", "at"})
        assert (ban["user_id"], ban["username"], ban["banned_by"]) == (carol.id, carol.account.username, alice.id)
        assert_time(ban["at"])
        assert listed["next"] is None
        problem(await bob.get(path), 403, "forbidden")
        problem(await carol.get(path), 403, "not_a_member")

    async def test_are_of_lower_ranks(self, public: Json, alice: User, bob: User, carol: User) -> None:
        path = f"/rooms/{public['id']}/bans"
        problem(await bob.put(f"{path}/{carol.id}"), 403, "forbidden")
        await alice.add(public["id"], bob, "admin")

        for target in (alice, bob):
            problem(await bob.put(f"{path}/{target.id}"), 403, "forbidden")
        await bob.ban(public["id"], carol)

    async def test_win_over_a_joining_at_the_same_instant(self, public: Json, alice: User, carol: User) -> None:
        path = f"/rooms/{public['id']}"

        await asyncio.gather(
            *(carol.post(f"{path}/join") for _ in range(3)),
            alice.put(f"{path}/bans/{carol.id}"),
            *(carol.post(f"{path}/join") for _ in range(3)),
        )

        assert carol.id not in await roles(alice, public)
        problem(await carol.post(f"{path}/join"), 403, "banned")


class TestMutes:
    async def test_keep_from_saying_anything_until_they_are_lifted(
        self, room: Json, alice: User, bob: User, connect: Connect
    ) -> None:
        socket = await connect(bob)
        message = await socket.post(room["id"], "first")
        about: dict[str, Any] = {"room_id": room["id"], "message_id": message["message_id"]}

        await alice.mute(room["id"], bob, 60)

        commands: list[tuple[str, Json]] = [
            ("send", {"room_id": room["id"], "text": "second"}),
            ("edit", {**about, "text": "better"}),
            ("react", {**about, "emoji": "👍", "on": True}),
        ]
        for type, fields in commands:
            id = new_command_id()
            await socket.command(type, id=id, **fields)
            answer = await socket.answer(id)
            assert (answer["type"], answer["code"]) == ("error", "muted")
            assert 0 < answer["retry_after"] <= 60
        response = await bob.send(room["id"], "third")
        problem(response, 403, "muted")
        assert 0 < int(response.headers["retry-after"]) <= 60

        assert (await alice.delete(f"/rooms/{room['id']}/mutes/{bob.id}")).status_code == 204
        await socket.post(room["id"], "fourth")
        assert await alice.texts(room["id"]) == ["first", "fourth"]

    async def test_leave_reading_and_taking_back(self, room: Json, alice: User, bob: User, connect: Connect) -> None:
        socket = await connect(bob)
        message = await socket.post(room["id"], "regretted")
        await alice.mute(room["id"], bob)

        ok(await alice.send(room["id"], "listen"), 201)
        heard = await socket.expect_text(room["id"], "listen")
        await socket.command("read", room_id=room["id"], seq=heard["seq"])
        await socket.expect("read", user_id=bob.id, seq=heard["seq"])
        id = new_command_id()
        await socket.command("delete", id=id, room_id=room["id"], message_id=message["message_id"])

        assert (await socket.answer(id))["type"] == "ack"

    async def test_are_shown_among_the_members_and_outlive_leaving(self, public: Json, alice: User, bob: User) -> None:
        until = await alice.mute(public["id"], bob)
        await bob.post(f"/rooms/{public['id']}/leave")
        ok(await bob.post(f"/rooms/{public['id']}/join"))

        members = ok(await bob.get(f"/rooms/{public['id']}/members"))["items"]
        assert {member["user_id"]: member["muted_until"] for member in members} == {alice.id: None, bob.id: until}
        (mute,) = ok(await alice.get(f"/rooms/{public['id']}/mutes"))["items"]
        assert (mute["user_id"], mute["muted_by"], mute["until"]) == (bob.id, alice.id, until)
        problem(await bob.send(public["id"], "me again"), 403, "muted")

    async def test_until_a_time_that_has_passed_are_refused(self, room: Json, alice: User, bob: User) -> None:
        for until in ("2020-01-01T00:00:00Z", "tomorrow", 4102444800, None):
            invalid_request(await alice.put(f"/rooms/{room['id']}/mutes/{bob.id}", {"until": until}))


class TestSuccession:
    async def test_follows_the_deletion_of_the_owners_account(
        self, create_user: CreateUser, bob: User, carol: User, connect: Connect
    ) -> None:
        owner = await create_user()
        room = await owner.create_room()
        await owner.add(room["id"], bob)
        await owner.add(room["id"], carol, "admin")
        socket = await connect(bob)

        assert (await owner.delete("/users/me", {"password": owner.account.password})).status_code == 204

        await socket.expect("event", kind="member.left", room_id=room["id"])
        change = await socket.expect("event", kind="member.role_changed", room_id=room["id"])
        assert change["data"] == {"user_id": carol.id, "role": "owner"}
        assert await roles(bob, room) == {bob.id: "member", carol.id: "owner"}

    async def test_finds_who_stays_when_owner_and_heir_leave_at_once(
        self, public: Json, alice: User, bob: User, carol: User
    ) -> None:
        await alice.add(public["id"], bob, "admin")
        await alice.add(public["id"], carol)

        await asyncio.gather(*(user.post(f"/rooms/{public['id']}/leave") for user in (alice, bob)))

        assert await roles(carol, public) == {carol.id: "owner"}
