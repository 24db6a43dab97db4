"""Members over HTTP: who comes, who goes, and who may see to it."""

import asyncio
from uuid import UUID

import pytest

from common.ids import uuid7
from contracts.messages import MemberAdded
from tests.support.chat_service import ChatService
from tests.support.client import User
from tests.support.shapes import Json, invalid_request, ok, problem


async def last_entries(user: User, room: Json, count: int) -> list[tuple[str, str, Json]]:
    log = await user.log(room["id"])
    return [(event["kind"], event["actor_id"], event["data"]) for event in log[-count:]]


async def roles(user: User, room: Json) -> dict[str, str]:
    members = ok(await user.get(f"/rooms/{room['id']}/members"))["items"]
    return {member["user_id"]: member["role"] for member in members}


class TestJoining:
    async def test_a_public_room_makes_a_member_to_whom_the_past_is_read(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")
        ok(await alice.send(room["id"], "before"), 201)

        joined = ok(await bob.post(f"/rooms/{room['id']}/join"))

        assert joined == {**room, "role": "member", "head": 3, "read_seq": 3, "unread": 0, "member_count": 2}
        assert await bob.room(room["id"]) == joined

    async def test_twice_at_once_leaves_one_entry(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")

        responses = await asyncio.gather(*(bob.post(f"/rooms/{room['id']}/join") for _ in range(6)))

        assert {ok(response)["member_count"] for response in responses} == {2}
        assert (await alice.room(room["id"]))["head"] == 2

    async def test_what_one_is_in_already_changes_nothing(self, room: Json, bob: User) -> None:
        seen = await bob.room(room["id"])

        assert ok(await bob.post(f"/rooms/{room['id']}/join")) == seen

    async def test_other_rooms_is_forbidden(self, room: Json, carol: User) -> None:
        problem(await carol.post(f"/rooms/{room['id']}/join"), 403, "forbidden")
        problem(await carol.post(f"/rooms/{uuid7()}/join"), 404, "not_found")

    async def test_a_room_that_all_have_left_makes_its_owner(self, alice: User, bob: User, carol: User) -> None:
        room = await alice.create_room("public")
        assert (await alice.post(f"/rooms/{room['id']}/leave")).status_code == 204
        assert (await bob.room(room["id"]))["member_count"] == 0

        ok(await bob.post(f"/rooms/{room['id']}/join"))
        ok(await carol.post(f"/rooms/{room['id']}/join"))

        assert await roles(bob, room) == {bob.id: "owner", carol.id: "member"}


class TestLeaving:
    async def test_is_told_in_the_log(self, room: Json, alice: User, bob: User) -> None:
        response = await bob.post(f"/rooms/{room['id']}/leave")

        assert (response.status_code, response.content) == (204, b"")
        assert await last_entries(alice, room, 1) == [("member.left", bob.id, {"user_id": bob.id})]
        assert (await alice.room(room["id"]))["member_count"] == 1

    async def test_what_one_is_not_in_is_refused(self, room: Json, alice: User, carol: User) -> None:
        public = await alice.create_room("public")

        for one in (room, public):
            problem(await carol.post(f"/rooms/{one['id']}/leave"), 403, "not_a_member")
        problem(await carol.post(f"/rooms/{uuid7()}/leave"), 404, "not_found")

    async def test_an_owner_is_succeeded_by_the_admin_who_has_been_there_for_longest(
        self, room: Json, alice: User, bob: User, carol: User, service: ChatService
    ) -> None:
        dave = service.newcomer()
        for user in (carol, dave):
            await alice.add(room["id"], user, "admin")

        await alice.post(f"/rooms/{room['id']}/leave")

        assert await roles(bob, room) == {bob.id: "member", carol.id: "owner", dave.id: "admin"}
        assert await last_entries(bob, room, 2) == [
            ("member.left", alice.id, {"user_id": alice.id}),
            ("member.role_changed", alice.id, {"user_id": carol.id, "role": "owner"}),
        ]

    async def test_an_owner_without_admins_is_succeeded_by_the_oldest_member(
        self, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        await alice.add(room["id"], carol)

        await alice.post(f"/rooms/{room['id']}/leave")

        assert await roles(bob, room) == {bob.id: "owner", carol.id: "member"}


class TestAdding:
    @pytest.mark.parametrize("kind", ["public", "private"])
    async def test_is_told_in_the_log_and_to_all_gateways(
        self, service: ChatService, alice: User, bob: User, kind: str
    ) -> None:
        room = await alice.create_room(kind)

        member = ok(await alice.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "admin"}))

        assert member.keys() == {"user_id", "username", "display_name", "role", "joined_at", "muted_until"}
        assert (member["user_id"], member["username"], member["role"]) == (bob.id, bob.account.username, "admin")
        ((joined, actor, data),) = await last_entries(bob, room, 1)
        assert (joined, actor, data["user_id"], data["role"]) == ("member.joined", alice.id, bob.id, "admin")
        added = await service.hear(MemberAdded, 2)
        assert added[-1] == MemberAdded(room_id=UUID(room["id"]), user_id=UUID(bob.id), seq=2)

    async def test_again_in_the_same_role_changes_nothing(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob)

        assert await alice.room(room["id"]) == room

    async def test_by_an_admin_is_of_members_only(self, room: Json, alice: User, bob: User, carol: User) -> None:
        await alice.add(room["id"], bob, "admin")
        path = f"/rooms/{room['id']}/members/{carol.id}"

        problem(await bob.put(path, {"role": "admin"}), 403, "forbidden")
        ok(await bob.put(path, {"role": "member"}))

        problem(await bob.put(path, {"role": "admin"}), 403, "forbidden")
        problem(await bob.put(f"/rooms/{room['id']}/members/{alice.id}", {"role": "member"}), 403, "forbidden")

    async def test_by_members_and_strangers_is_refused(self, room: Json, bob: User, carol: User) -> None:
        path = f"/rooms/{room['id']}/members/{carol.id}"

        problem(await bob.put(path, {"role": "member"}), 403, "forbidden")
        problem(await carol.put(path, {"role": "member"}), 403, "not_a_member")

    async def test_to_a_public_room_is_no_way_in_for_oneself(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")

        problem(await bob.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "admin"}), 403, "not_a_member")

    async def test_whom_nobody_knows_is_not_found(self, room: Json, alice: User) -> None:
        problem(await alice.put(f"/rooms/{room['id']}/members/{uuid7()}", {"role": "member"}), 404, "not_found")
        problem(await alice.put(f"/rooms/{uuid7()}/members/{uuid7()}", {"role": "member"}), 404, "not_found")

    async def test_in_a_role_that_can_not_be_given_is_refused(self, room: Json, alice: User, bob: User) -> None:
        for role in ("owner", "", None, 1):
            invalid_request(await alice.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": role}))


class TestRoles:
    async def test_are_changed_by_the_owner_and_told_in_the_log(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob, "admin")
        await alice.add(room["id"], bob, "member")

        assert await last_entries(bob, room, 2) == [
            ("member.role_changed", alice.id, {"user_id": bob.id, "role": "admin"}),
            ("member.role_changed", alice.id, {"user_id": bob.id, "role": "member"}),
        ]

    async def test_of_owners_are_not_changed_even_by_themselves(self, room: Json, alice: User) -> None:
        problem(await alice.put(f"/rooms/{room['id']}/members/{alice.id}", {"role": "member"}), 403, "forbidden")


class TestRemoval:
    async def test_is_told_in_the_log(self, room: Json, alice: User, bob: User) -> None:
        response = await alice.delete(f"/rooms/{room['id']}/members/{bob.id}")

        assert (response.status_code, response.content) == (204, b"")
        assert await last_entries(alice, room, 1) == [("member.removed", alice.id, {"user_id": bob.id})]
        problem(await bob.send(room["id"], "let me in"), 403, "not_a_member")

    async def test_is_by_those_of_a_higher_rank(self, room: Json, alice: User, bob: User, carol: User) -> None:
        await alice.add(room["id"], carol, "admin")
        path = f"/rooms/{room['id']}/members"

        problem(await bob.delete(f"{path}/{carol.id}"), 403, "forbidden")
        problem(await carol.delete(f"{path}/{alice.id}"), 403, "forbidden")
        problem(await carol.delete(f"{path}/{carol.id}"), 403, "forbidden")
        problem(await alice.delete(f"{path}/{alice.id}"), 403, "forbidden")
        assert (await carol.delete(f"{path}/{bob.id}")).status_code == 204
        assert (await alice.delete(f"{path}/{carol.id}")).status_code == 204

    async def test_of_nobody_is_not_found(self, room: Json, alice: User, carol: User) -> None:
        problem(await alice.delete(f"/rooms/{room['id']}/members/{carol.id}"), 404, "not_found")
        problem(await carol.delete(f"/rooms/{room['id']}/members/{alice.id}"), 403, "not_a_member")


class TestLists:
    async def test_are_for_members_page_by_page(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        others = [service.newcomer() for _ in range(3)]
        for user in others:
            await alice.add(room["id"], user)
        path = f"/rooms/{room['id']}/members"

        first = ok(await bob.get(path, limit=2))
        second = ok(await bob.get(path, limit=2, cursor=first["next"]))
        third = ok(await bob.get(path, limit=2, cursor=second["next"]))

        listed = [member["user_id"] for page in (first, second, third) for member in page["items"]]
        assert sorted(listed) == sorted(user.id for user in (alice, bob, *others))
        assert third["next"] is None
        problem(await carol.get(path), 403, "not_a_member")
        problem(await carol.get(f"/rooms/{uuid7()}/members"), 404, "not_found")

    async def test_of_public_rooms_are_for_members_too(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")

        for path in ("members", "messages", "events"):
            problem(await bob.get(f"/rooms/{room['id']}/{path}"), 403, "not_a_member")
