"""Rooms, their members and their roles, over HTTP."""

import asyncio

import httpx
import pytest

from tests.support.client import User, post_json
from tests.support.factories import CreateUser
from tests.support.shapes import (
    ROOM_FIELDS,
    Json,
    assert_fields,
    assert_time,
    assert_uuid7,
    invalid_request,
    ok,
    problem,
)

NOBODY = "01890000-0000-7000-8000-000000000000"


async def kinds(user: User, room_id: str) -> list[str]:
    return [event["kind"] for event in await user.log(room_id)]


class TestCreation:
    @pytest.mark.parametrize("kind", ["public", "private"])
    async def test_makes_its_creator_the_owner(self, alice: User, kind: str) -> None:
        room = ok(await alice.post("/rooms", {"kind": kind, "name": "Tea", "topic": "Leaves"}), 201)

        assert_fields(room, ROOM_FIELDS)
        assert_uuid7(room["id"])
        assert_time(room["created_at"])
        assert (room["kind"], room["name"], room["topic"], room["role"]) == (kind, "Tea", "Leaves", "owner")
        assert room["member_count"] == 1
        assert room["head"] == len(await alice.log(room["id"]))
        assert await alice.room(room["id"]) == room

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param({"kind": "public"}, id="no-name"),
            pytest.param({"name": "Tea"}, id="no-kind"),
            pytest.param({"kind": "direct", "name": "Tea"}, id="direct"),
            pytest.param({"kind": "secret", "name": "Tea"}, id="unknown-kind"),
            pytest.param({"kind": "public", "name": ""}, id="empty-name"),
            pytest.param({"kind": "public", "name": " \u200b "}, id="invisible-name"),
            pytest.param({"kind": "public", "name": "\u202eaeT"}, id="right-to-left-name"),
            pytest.param({"kind": "public", "name": "n" * 1000}, id="long-name"),
            pytest.param({"kind": "public", "name": "a\x00b"}, id="name-with-nul"),
            pytest.param({"kind": "public", "name": "a\ud800b"}, id="name-with-lone-surrogate"),
            pytest.param({"kind": "public", "name": "Tea", "topic": "t" * 10_000}, id="long-topic"),
            pytest.param({"kind": "public", "name": 1}, id="name-that-is-a-number"),
        ],
    )
    async def test_in_a_wrong_form_is_refused(self, alice: User, body: Json) -> None:
        headers = {"Authorization": f"Bearer {alice.account.access_token}"}

        invalid_request(await post_json(alice.http, "/api/v1/rooms", body, **headers))

    async def test_puts_the_room_on_my_list_and_on_nobody_elses(self, create_user: CreateUser, bob: User) -> None:
        user = await create_user()
        rooms = [await user.create_room(kind) for kind in ("public", "private")]

        listed = ok(await user.get("/rooms"))

        assert listed.keys() == {"items", "next"}
        assert {room["id"] for room in listed["items"]} == {room["id"] for room in rooms}
        assert not {room["id"] for room in rooms} & {room["id"] for room in ok(await bob.get("/rooms"))["items"]}


class TestPublicRooms:
    async def test_are_found_by_name_and_private_ones_are_not(self, alice: User, bob: User) -> None:
        name = f"Harbour {alice.id}"
        public = await alice.create_room("public", name=name)
        private = await alice.create_room("private", name=name)

        found = ok(await bob.get("/rooms/public", q=name))

        assert found.keys() == {"items", "next"}
        (only,) = found["items"]
        assert_fields(only, ROOM_FIELDS)
        assert only["id"] == public["id"] != private["id"]
        assert only["role"] is None

    async def test_can_be_seen_and_joined_by_anybody(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")
        assert (await bob.room(room["id"]))["role"] is None

        joined = ok(await bob.post(f"/rooms/{room['id']}/join"))

        assert_fields(joined, ROOM_FIELDS)
        assert (joined["id"], joined["role"], joined["member_count"]) == (room["id"], "member", 2)
        assert room["id"] in [item["id"] for item in ok(await bob.get("/rooms"))["items"]]

    async def test_are_joined_once(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")
        ok(await bob.post(f"/rooms/{room['id']}/join"))
        before = await kinds(alice, room["id"])

        again = ok(await bob.post(f"/rooms/{room['id']}/join"))

        assert again["member_count"] == 2
        assert await kinds(alice, room["id"]) == before

    async def test_can_be_left_and_joined_again(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")
        ok(await bob.post(f"/rooms/{room['id']}/join"))

        response = await bob.post(f"/rooms/{room['id']}/leave")

        assert response.status_code == 204
        problem(await bob.get(f"/rooms/{room['id']}/events", after=0), 403, "not_a_member")
        assert room["id"] not in [item["id"] for item in ok(await bob.get("/rooms"))["items"]]
        assert ok(await bob.post(f"/rooms/{room['id']}/join"))["role"] == "member"
        assert (await kinds(alice, room["id"]))[-3:] == ["member.joined", "member.left", "member.joined"]


class TestPrivateRooms:
    async def test_can_not_be_joined(self, alice: User, bob: User) -> None:
        room = await alice.create_room("private")

        problem(await bob.post(f"/rooms/{room['id']}/join"), 403, "forbidden")

        assert (await alice.room(room["id"]))["member_count"] == 1

    async def test_show_nothing_to_those_outside(self, room: Json, carol: User) -> None:
        path = f"/rooms/{room['id']}"

        response = await carol.get(path)

        problem(response, response.status_code)
        assert response.status_code in (403, 404)
        assert room["name"] not in response.text
        problem(await carol.get(f"{path}/members"), 403, "not_a_member")
        problem(await carol.get(f"{path}/messages"), 403, "not_a_member")
        problem(await carol.get(f"{path}/events", after=0), 403, "not_a_member")
        problem(await carol.send(room["id"], "hello?"), 403, "not_a_member")

    async def test_take_in_whom_their_owner_adds(self, alice: User, bob: User) -> None:
        room = await alice.create_room("private")

        await alice.add(room["id"], bob)

        assert (await bob.room(room["id"]))["role"] == "member"


class TestDirectRooms:
    async def test_exist_once_per_pair_whoever_asks(self, create_user: CreateUser, alice: User) -> None:
        user = await create_user()

        room = ok(await user.post("/rooms/direct", {"user_id": alice.id}), 201)

        assert_fields(room, ROOM_FIELDS)
        assert (room["kind"], room["name"], room["member_count"]) == ("direct", None, 2)
        assert ok(await user.post("/rooms/direct", {"user_id": alice.id}))["id"] == room["id"]
        assert ok(await alice.post("/rooms/direct", {"user_id": user.id}))["id"] == room["id"]

    async def test_exist_once_even_when_both_ask_at_once(self, create_user: CreateUser, alice: User) -> None:
        user = await create_user()

        responses = await asyncio.gather(
            *(user.post("/rooms/direct", {"user_id": alice.id}) for _ in range(4)),
            *(alice.post("/rooms/direct", {"user_id": user.id}) for _ in range(4)),
        )

        assert sorted(response.status_code for response in responses) == [*[200] * 7, 201]
        assert len({response.json()["id"] for response in responses}) == 1

    async def test_exist_once_per_pair_of_many_however_often_both_ask_at_once(
        self, create_user: CreateUser, alice: User, bob: User, carol: User
    ) -> None:
        newcomers = [await create_user() for _ in range(2)]
        pairs = [(newcomer, other) for newcomer in newcomers for other in (alice, bob, carol)]

        async def open_together(one: User, other: User) -> list[httpx.Response]:
            asking = [(one, other), (other, one)] * 3
            return await asyncio.gather(*(a.post("/rooms/direct", {"user_id": b.id}) for a, b in asking))

        answers = await asyncio.gather(*(open_together(*pair) for pair in pairs))

        for responses in answers:
            assert sorted(response.status_code for response in responses) == [*[200] * 5, 201]
            assert len({response.json()["id"] for response in responses}) == 1
        assert [len(ok(await one.get("/rooms"))["items"]) for one in newcomers] == [3, 3]

    async def test_can_be_talked_in_by_both(self, create_user: CreateUser, alice: User) -> None:
        user = await create_user()
        room = ok(await user.post("/rooms/direct", {"user_id": alice.id}), 201)

        ok(await user.send(room["id"], "hello"), 201)
        ok(await alice.send(room["id"], "hello yourself"), 201)

        assert await user.texts(room["id"]) == ["hello", "hello yourself"]

    async def test_with_nobody_are_not_found(self, alice: User) -> None:
        problem(await alice.post("/rooms/direct", {"user_id": NOBODY}), 404, "not_found")

    async def test_take_in_no_third(self, create_user: CreateUser, alice: User, bob: User) -> None:
        user = await create_user()
        room = ok(await user.post("/rooms/direct", {"user_id": alice.id}), 201)

        problem(await bob.post(f"/rooms/{room['id']}/join"), 403, "forbidden")
        problem(await user.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "member"}), 403, "forbidden")

        assert (await user.room(room["id"]))["member_count"] == 2


class TestMembers:
    async def test_are_listed_with_their_names_and_roles(self, room: Json, alice: User, bob: User) -> None:
        listed = ok(await bob.get(f"/rooms/{room['id']}/members"))

        assert listed["next"] is None
        members = {member["user_id"]: member for member in listed["items"]}
        assert members.keys() == {alice.id, bob.id}
        for user, role in ((alice, "owner"), (bob, "member")):
            member = members[user.id]
            assert_fields(member, {"user_id", "username", "display_name", "role", "joined_at", "muted_until"})
            assert_time(member["joined_at"])
            assert member["username"] == user.account.username
            assert member["display_name"] == user.account.display_name
            assert member["role"] == role

    async def test_are_listed_page_by_page(self, room: Json, alice: User, bob: User, carol: User) -> None:
        await alice.add(room["id"], carol)
        path = f"/rooms/{room['id']}/members"

        first = ok(await alice.get(path, limit=2))
        second = ok(await alice.get(path, limit=2, cursor=first["next"]))

        assert len(first["items"]) == 2
        assert second["next"] is None
        listed = [member["user_id"] for member in first["items"] + second["items"]]
        assert sorted(listed) == sorted([alice.id, bob.id, carol.id])

    async def test_are_added_by_owners_and_admins_only(self, room: Json, alice: User, bob: User, carol: User) -> None:
        path = f"/rooms/{room['id']}/members/{carol.id}"
        problem(await bob.put(path, {"role": "member"}), 403, "forbidden")

        await alice.add(room["id"], bob, "admin")
        await bob.add(room["id"], carol)

        assert (await carol.room(room["id"]))["role"] == "member"
        assert (await kinds(alice, room["id"]))[-2:] == ["member.role_changed", "member.joined"]

    async def test_are_added_by_nobody_from_outside(self, room: Json, carol: User) -> None:
        response = await carol.put(f"/rooms/{room['id']}/members/{carol.id}", {"role": "admin"})

        assert problem(response, 403)["code"] in ("forbidden", "not_a_member")

    async def test_are_promoted_and_demoted_by_the_owner(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob, "admin")
        assert (await bob.room(room["id"]))["role"] == "admin"

        await alice.add(room["id"], bob, "member")

        assert (await bob.room(room["id"]))["role"] == "member"

    async def test_can_not_promote_themselves(self, room: Json, bob: User) -> None:
        problem(await bob.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "admin"}), 403, "forbidden")

        assert (await bob.room(room["id"]))["role"] == "member"

    async def test_are_never_made_owners(self, room: Json, alice: User, bob: User) -> None:
        invalid_request(await alice.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "owner"}))

    async def test_who_do_not_exist_are_not_found(self, room: Json, alice: User) -> None:
        problem(await alice.put(f"/rooms/{room['id']}/members/{NOBODY}", {"role": "member"}), 404, "not_found")

    async def test_are_removed_by_owners_and_admins_only(self, room: Json, alice: User, bob: User, carol: User) -> None:
        await alice.add(room["id"], carol)
        problem(await bob.delete(f"/rooms/{room['id']}/members/{carol.id}"), 403, "forbidden")

        await alice.remove(room["id"], carol)

        problem(await carol.get(f"/rooms/{room['id']}/members"), 403, "not_a_member")
        assert (await kinds(alice, room["id"]))[-1] == "member.removed"

    async def test_can_not_remove_the_owner(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob, "admin")

        problem(await bob.delete(f"/rooms/{room['id']}/members/{alice.id}"), 403, "forbidden")

        assert (await alice.room(room["id"]))["role"] == "owner"


class TestChanges:
    async def test_of_name_and_topic_are_the_owners(self, room: Json, alice: User, bob: User, carol: User) -> None:
        path = f"/rooms/{room['id']}"
        problem(await bob.patch(path, {"name": "Mine"}), 403, "forbidden")
        assert problem(await carol.patch(path, {"name": "Mine"}), 403)["code"] in ("forbidden", "not_a_member")

        changed = ok(await alice.patch(path, {"name": "Ours", "topic": "Everything"}))

        assert (changed["name"], changed["topic"]) == ("Ours", "Everything")
        seen = await bob.room(room["id"])
        assert (seen["name"], seen["topic"]) == ("Ours", "Everything")
        assert (await kinds(bob, room["id"]))[-1] == "room.updated"

    async def test_of_one_field_leave_the_other(self, room: Json, alice: User) -> None:
        ok(await alice.patch(f"/rooms/{room['id']}", {"topic": "Rain"}))

        changed = ok(await alice.patch(f"/rooms/{room['id']}", {"name": "Weather"}))

        assert (changed["name"], changed["topic"]) == ("Weather", "Rain")

    async def test_in_a_wrong_form_are_refused(self, room: Json, alice: User) -> None:
        invalid_request(await alice.patch(f"/rooms/{room['id']}", {"name": "\u200b"}))

        assert (await alice.room(room["id"]))["name"] == room["name"]

    async def test_an_owner_deletes_a_room_for_everybody(self, room: Json, alice: User, bob: User) -> None:
        path = f"/rooms/{room['id']}"
        problem(await bob.delete(path), 403, "forbidden")

        response = await alice.delete(path)

        assert response.status_code == 204
        for user in (alice, bob):
            problem(await user.get(path), 404, "not_found")
            problem(await user.send(room["id"], "too late"), 404, "not_found")
            assert room["id"] not in [item["id"] for item in ok(await user.get("/rooms"))["items"]]


class TestUnknownRooms:
    @pytest.mark.parametrize("path", ["", "/members", "/messages", "/events?after=0"])
    async def test_are_not_found(self, alice: User, path: str) -> None:
        problem(await alice.get(f"/rooms/{NOBODY}{path}"), 404, "not_found")

    @pytest.mark.parametrize("room_id", ["1", "not-a-room", "%00", "..%2f..%2fusers"])
    async def test_with_an_id_that_is_none_are_refused(self, alice: User, room_id: str) -> None:
        response = await alice.get(f"/rooms/{room_id}")

        problem(response, response.status_code)
        assert response.status_code in (404, 422)

    async def test_my_rooms_are_listed_page_by_page(self, create_user: CreateUser) -> None:
        user = await create_user()
        rooms = {(await user.create_room())["id"] for _ in range(5)}

        listed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = ok(await user.get("/rooms", limit=2, **cursor))
            listed += [room["id"] for room in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert len(listed) == 5
        assert set(listed) == rooms
