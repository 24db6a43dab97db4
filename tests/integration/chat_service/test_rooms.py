"""Rooms over HTTP."""

import asyncio
from uuid import UUID

import httpx
import pytest

from common.ids import uuid7
from contracts.messages import MemberAdded, RoomEntry, UserDeleted
from tests.support.chat_service import ChatService, running_chat_service
from tests.support.client import User
from tests.support.shapes import ROOM_FIELDS, Json, assert_fields, invalid_request, ok, problem

HUGE = 2**53


async def entries(user: User, room: Json) -> list[tuple[str, Json]]:
    return [(event["kind"], event["data"]) for event in await user.log(room["id"])]


def joined(user: User, role: str) -> tuple[str, Json]:
    names = {"username": user.account.username, "display_name": user.account.display_name}
    return ("member.joined", {"user_id": user.id, "role": role, **names})


class TestCreation:
    async def test_begins_the_log_with_the_owner_who_is_announced_to_all_gateways(
        self, service: ChatService, alice: User
    ) -> None:
        room = await alice.create_room("public", name="Tea", topic="Leaves")

        assert_fields(room, ROOM_FIELDS)
        assert (room["role"], room["head"], room["read_seq"], room["unread"], room["member_count"]) == (
            "owner", 1, 1, 0, 1,
        )  # fmt: skip
        assert await entries(alice, room) == [joined(alice, "owner")]
        (entry,) = await service.hear(RoomEntry)
        assert (entry.seq, entry.actor_id, entry.data) == (1, UUID(alice.id), joined(alice, "owner")[1])
        (added,) = await service.hear(MemberAdded)
        assert added == MemberAdded(room_id=UUID(room["id"]), user_id=UUID(alice.id), seq=1)

    async def test_needs_no_word_from_user_service_but_the_token(self, service: ChatService, alice: User) -> None:
        ok(await alice.get("/rooms"))  # the signing keys are had once, and kept
        service.user_service.status = 503

        room = await alice.create_room()

        (owner,) = ok(await alice.get(f"/rooms/{room['id']}/members"))["items"]
        assert (owner["username"], owner["display_name"]) == (alice.account.username, alice.account.display_name)

    @pytest.mark.parametrize(
        "body",
        [
            {"kind": "private"},
            {"kind": "direct", "name": "a"},
            {"kind": "private", "name": "x" * 101},
            {"kind": "private", "name": "\u200b"},
            {"kind": "private", "name": "a", "topic": "x" * 501},
            {"kind": "private", "name": "a", "owner": "b"},
        ],
    )
    async def test_in_a_wrong_form_is_refused(self, alice: User, body: Json) -> None:
        invalid_request(await alice.post("/rooms", body))


class TestSight:
    async def test_of_a_public_room_is_everybodys(self, alice: User, bob: User) -> None:
        room = await alice.create_room("public")

        seen = await bob.room(room["id"])

        assert seen == {**room, "role": None, "read_seq": 0, "unread": 0}

    async def test_of_a_private_room_is_its_members(self, room: Json, bob: User, carol: User) -> None:
        assert (await bob.room(room["id"]))["role"] == "member"
        problem(await carol.get(f"/rooms/{room['id']}"), 403, "forbidden")

    async def test_of_a_room_that_does_not_exist_is_nobodys(self, alice: User) -> None:
        problem(await alice.get(f"/rooms/{uuid7()}"), 404, "not_found")
        invalid_request(await alice.get("/rooms/x"))

    async def test_needs_a_token(self, service: ChatService, room: Json) -> None:
        problem(await service.http.get(f"/api/v1/rooms/{room['id']}"), 401, "invalid_token")
        headers = {"Authorization": f"Bearer {service.user_service.issuer.token(user_id=uuid7(), expires_in=-1)}"}
        problem(await service.http.get("/api/v1/rooms", headers=headers), 401, "invalid_token")


class TestLists:
    async def test_of_my_rooms_are_newest_first_page_by_page(self, alice: User, bob: User) -> None:
        rooms = [await alice.create_room(kind) for kind in ("public", "private", "public", "private", "private")]
        await bob.create_room("public")

        listed: list[Json] = []
        cursor: dict[str, str] = {}
        while (page := ok(await alice.get("/rooms", limit=2, **cursor)))["next"] is not None:
            assert len(page["items"]) == 2
            listed += page["items"]
            cursor = {"cursor": page["next"]}

        assert listed + page["items"] == rooms[::-1]

    async def test_of_public_rooms_are_of_those_whose_name_contains_what_is_sought(
        self, alice: User, bob: User
    ) -> None:
        for name in ("Grüne Straße", "100% Tea", "1000 Teas", "under_score", "back\\slash", "underscore"):
            await alice.create_room("public", name=name)
        await alice.create_room("private", name="100% private")

        async def found(q: str) -> set[str]:
            rooms = ok(await bob.get("/rooms/public", q=q))["items"]
            assert {room["role"] for room in rooms} <= {None}
            return {room["name"] for room in rooms}

        assert await found("STRASSE") == await found("GRÜN") == {"Grüne Straße"}
        assert await found("tea") == {"100% Tea", "1000 Teas"}
        assert await found("100%") == {"100% Tea"}
        assert await found("r_s") == {"under_score"}
        assert await found("k\\s") == {"back\\slash"}
        assert await found("nothing like it") == set()
        assert len(await found("")) == 6

    async def test_of_public_rooms_tell_my_role_and_come_page_by_page(self, alice: User) -> None:
        rooms = [await alice.create_room("public", name=f"Tea {number}") for number in range(3)]

        first = ok(await alice.get("/rooms/public", q="tea", limit=2))
        second = ok(await alice.get("/rooms/public", q="tea", limit=2, cursor=first["next"]))

        assert first["items"] + second["items"] == rooms[::-1]
        assert second["next"] is None

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"cursor": "x"}, {"q": "x" * 101}, {"q": "\x00"}]
    )
    async def test_of_a_wrong_form_are_refused(self, alice: User, query: Json) -> None:
        invalid_request(await alice.get("/rooms/public", **query))


class TestDirectRooms:
    async def test_hold_the_two_and_nobody_else(self, service: ChatService, alice: User, bob: User) -> None:
        room = ok(await alice.post("/rooms/direct", {"user_id": bob.id}), 201)

        assert (room["kind"], room["name"], room["topic"], room["member_count"]) == ("direct", None, None, 2)
        assert await entries(bob, room) == [joined(alice, "member"), joined(bob, "member")]
        added = await service.hear(MemberAdded, 2)
        assert {str(one.user_id) for one in added} == {alice.id, bob.id}
        again = ok(await bob.post("/rooms/direct", {"user_id": alice.id}))
        assert again == {**room, "read_seq": again["read_seq"]}

    async def test_are_one_however_many_open_it_at_the_same_instant(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        responses = await asyncio.gather(
            *(alice.post("/rooms/direct", {"user_id": bob.id}) for _ in range(8)),
            *(bob.post("/rooms/direct", {"user_id": alice.id}) for _ in range(8)),
        )

        assert sorted(response.status_code for response in responses) == [*[200] * 15, 201]
        assert len({response.json()["id"] for response in responses}) == 1
        assert len(await service.hear(RoomEntry, 2)) == 2

    async def test_are_one_per_pair_however_often_two_replicas_are_asked_from_both_sides_at_once(
        self, service: ChatService, alice: User
    ) -> None:
        others = [service.newcomer() for _ in range(12)]
        async with running_chat_service(service.database_url, user_service=service.user_service) as replica:

            async def open_together(other: User) -> list[httpx.Response]:
                from_both_sides = [(alice, other), (other, alice)]
                return await asyncio.gather(
                    *(
                        User(http, one.account).post("/rooms/direct", {"user_id": another.id})
                        for one, another in from_both_sides
                        for http in (service.http, replica.http)
                    )
                )

            answers = await asyncio.gather(*map(open_together, others))

        for responses in answers:
            assert sorted(response.status_code for response in responses) == [200, 200, 200, 201]
            assert len({response.json()["id"] for response in responses}) == 1
        assert len(ok(await alice.get("/rooms"))["items"]) == len(others)

    async def test_can_not_be_joined_left_renamed_deleted_or_added_to(
        self, alice: User, bob: User, carol: User
    ) -> None:
        room = ok(await alice.post("/rooms/direct", {"user_id": bob.id}), 201)
        path = f"/rooms/{room['id']}"

        for response in (
            await carol.post(f"{path}/join"),
            await alice.post(f"{path}/leave"),
            await alice.patch(path, {"name": "Ours"}),
            await alice.delete(path),
            await alice.put(f"{path}/members/{carol.id}", {"role": "member"}),
            await alice.delete(f"{path}/members/{bob.id}"),
        ):
            problem(response, 403, "forbidden")
        assert await alice.room(room["id"]) == room

    async def test_are_not_opened_with_oneself_or_with_nobody(self, alice: User) -> None:
        invalid_request(await alice.post("/rooms/direct", {"user_id": alice.id}))
        problem(await alice.post("/rooms/direct", {"user_id": str(uuid7())}), 404, "not_found")
        assert ok(await alice.get("/rooms"))["items"] == []


class TestUpdates:
    async def test_stand_in_the_log(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob, "admin")

        changed = ok(await bob.patch(f"/rooms/{room['id']}", {"topic": "Rain"}))
        renamed = ok(await bob.patch(f"/rooms/{room['id']}", {"name": "Weather"}))
        without = ok(await bob.patch(f"/rooms/{room['id']}", {"topic": None}))

        assert [(one["name"], one["topic"]) for one in (changed, renamed, without)] == [
            (room["name"], "Rain"),
            ("Weather", "Rain"),
            ("Weather", None),
        ]
        assert (await entries(alice, room))[-3:] == [
            ("room.updated", {"name": room["name"], "topic": "Rain", "deleted": False}),
            ("room.updated", {"name": "Weather", "topic": "Rain", "deleted": False}),
            ("room.updated", {"name": "Weather", "topic": None, "deleted": False}),
        ]

    async def test_that_change_nothing_leave_no_entry(self, room: Json, alice: User) -> None:
        unchanged = ok(await alice.patch(f"/rooms/{room['id']}", {"name": room["name"]}))

        assert unchanged == room

    async def test_are_found_by_the_new_name(self, alice: User) -> None:
        room = await alice.create_room("public", name="Tea")
        ok(await alice.patch(f"/rooms/{room['id']}", {"name": "Coffee"}))

        assert [one["id"] for one in ok(await alice.get("/rooms/public", q="coff"))["items"]] == [room["id"]]
        assert ok(await alice.get("/rooms/public", q="tea"))["items"] == []

    @pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"kind": "public"}, {"topic": "x" * 501}])
    async def test_in_a_wrong_form_are_refused(self, room: Json, alice: User, body: Json) -> None:
        invalid_request(await alice.patch(f"/rooms/{room['id']}", body))

    async def test_are_forbidden_to_members_and_strangers(self, room: Json, bob: User, carol: User) -> None:
        for user in (bob, carol):
            problem(await user.patch(f"/rooms/{room['id']}", {"name": "Mine"}), 403, "forbidden")
        problem(await bob.patch(f"/rooms/{uuid7()}", {"name": "Mine"}), 404, "not_found")


class TestDeletion:
    async def test_ends_the_room_for_everybody(self, room: Json, alice: User, bob: User) -> None:
        ok(await alice.send(room["id"], "a secret", key="k"), 201)
        path = f"/rooms/{room['id']}"

        assert (await alice.delete(path)).status_code == 204

        for user in (alice, bob):
            for response in (
                await user.get(path),
                await user.get(f"{path}/members"),
                await user.get(f"{path}/messages"),
                await user.get(f"{path}/events"),
                await user.patch(path, {"name": "Again"}),
                await user.delete(path),
                await user.post(f"{path}/join"),
                await user.post(f"{path}/leave"),
                await user.send(room["id"], "too late"),
            ):
                problem(response, 404, "not_found")
            assert ok(await user.get("/rooms"))["items"] == []

    async def test_leaves_a_log_without_what_was_said_to_those_who_have_yet_to_hear_of_it(
        self, service: ChatService, room: Json, alice: User
    ) -> None:
        message = ok(await alice.send(room["id"], "a secret", key="k"), 201)
        await alice.delete(f"/rooms/{room['id']}")
        end = {"name": room["name"], "topic": room["topic"], "deleted": True}

        told = ok(await service.internal("POST", "/rooms/entries", {"after": {room["id"]: 0}}))["entries"][room["id"]]

        assert [entry["seq"] for entry in told] == [1, 2, 3, 4]
        assert [(entry["kind"], entry["data"]) for entry in told[2:]] == [
            ("message.posted", {"message_id": message["id"], "text": None, "reply_to": None}),
            ("room.updated", end),
        ]
        last = (await service.hear(RoomEntry, 4))[-1]
        assert (last.seq, last.data) == (4, end)

    async def test_does_not_let_a_message_be_posted_anew(self, room: Json, alice: User) -> None:
        message = ok(await alice.send(room["id"], "once", key="k"), 201)
        await alice.delete(f"/rooms/{room['id']}")

        repeat = ok(await alice.send(room["id"], "once", key="k"), 200)

        assert repeat == {**message, "text": "", "deleted": True}

    async def test_is_the_owners(self, room: Json, alice: User, bob: User, carol: User) -> None:
        await alice.add(room["id"], bob, "admin")

        for user in (bob, carol):
            problem(await user.delete(f"/rooms/{room['id']}"), 403, "forbidden")


class TestDeletedUsers:
    async def test_whose_token_is_still_good_can_begin_nothing(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        room = await bob.create_room("public")
        await service.user_event(
            UserDeleted(user_id=UUID(alice.id), email_digest="0" * 64, email_digest_key_id="", version=2)
        )

        for response in (
            await alice.post("/rooms", {"kind": "public", "name": "Mine"}),
            await alice.post("/rooms/direct", {"user_id": bob.id}),
            await alice.post(f"/rooms/{room['id']}/join"),
        ):
            problem(response, 401, "invalid_token")
        problem(await bob.post("/rooms/direct", {"user_id": alice.id}), 404, "not_found")
