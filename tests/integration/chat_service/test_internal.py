"""What gateways ask for: the rooms of a user, and what they have missed in them."""

from uuid import UUID

import pytest

from chat_service.services import logs
from common.ids import uuid7
from contracts.messages import UserDeleted
from tests.support.chat_service import ChatService, send
from tests.support.client import User
from tests.support.shapes import Json, ok, problem


async def catch_up(service: ChatService, user: User, resume: dict[str, int], **fields: int) -> Json:
    answer: Json = ok(await service.internal("POST", f"/users/{user.id}/catch_up", {"resume": resume, **fields}))
    return answer


async def talk(service: ChatService, room: Json, user: User, count: int) -> None:
    await service.command(*(send(room, user, f"number {number}") for number in range(count)))


def seqs(entries: list[Json]) -> list[int]:
    return [entry["seq"] for entry in entries]


class TestCatchUp:
    async def test_tells_the_rooms_as_their_member_sees_them(self, service: ChatService, room: Json, bob: User) -> None:
        own = await bob.create_room("public")

        caught_up = await catch_up(service, bob, {})

        assert caught_up["user"] == {
            "id": bob.id,
            "username": bob.account.username,
            "display_name": bob.account.display_name,
            "version": 1,
        }
        by_id = {one["id"]: one for one in caught_up["rooms"]}
        assert by_id == {one["id"]: await bob.room(one["id"]) for one in (room, own)}
        assert caught_up["entries"] == {}
        assert caught_up["epoch"]

    async def test_replays_what_came_after_the_resume_point_of_each_room(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        own = await bob.create_room()
        await talk(service, room, alice, 5)
        await talk(service, own, bob, 2)

        entries = (await catch_up(service, bob, {room["id"]: 4, own["id"]: 0}))["entries"]

        assert {room_id: seqs(one) for room_id, one in entries.items()} == {room["id"]: [5, 6, 7], own["id"]: [1, 2, 3]}
        (posted,) = entries[room["id"]][2:]
        (event,) = await bob.log(room["id"], after=6)
        assert {name: posted[name] for name in event} == event

    async def test_replays_the_last_entries_where_too_many_were_missed(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        await talk(service, room, alice, 10)

        entries = (await catch_up(service, bob, {room["id"]: 2}, limit=4))["entries"]

        assert seqs(entries[room["id"]]) == [9, 10, 11, 12]

    @pytest.mark.parametrize("seq", [12, 13, 2**53 - 1])
    async def test_from_the_head_or_beyond_replays_nothing(
        self, service: ChatService, room: Json, alice: User, bob: User, seq: int
    ) -> None:
        await talk(service, room, alice, 10)

        assert (await catch_up(service, bob, {room["id"]: seq}))["entries"] == {}

    async def test_tells_nothing_of_rooms_one_is_not_in(self, service: ChatService, room: Json, carol: User) -> None:
        own = await carol.create_room()

        caught_up = await catch_up(service, carol, {room["id"]: 0, str(uuid7()): 0})

        assert [one["id"] for one in caught_up["rooms"]] == [own["id"]]
        assert caught_up["entries"] == {}

    async def test_knows_no_user_of_whom_it_has_not_heard_or_who_is_gone(
        self, service: ChatService, room: Json, bob: User, carol: User
    ) -> None:
        await service.user_event(
            UserDeleted(user_id=UUID(bob.id), email_digest="0" * 64, email_digest_key_id="", version=2)
        )

        for user in (bob, carol):
            caught_up = await catch_up(service, user, {room["id"]: 0})
            assert (caught_up["user"], caught_up["rooms"], caught_up["entries"]) == (None, [], {})

    async def test_keeps_its_epoch(self, service: ChatService, alice: User, bob: User) -> None:
        epochs = {(await catch_up(service, user, {}))["epoch"] for user in (alice, bob)}

        assert len(epochs) == 1


async def catch_up_all(service: ChatService, *askers: tuple[User, dict[str, int]], **fields: int) -> Json:
    body = {"askers": [{"user_id": user.id, "resume": resume} for user, resume in askers], **fields}
    answer: Json = ok(await service.internal("POST", "/users/catch_up", body))
    return answer


def told(answer: Json) -> dict[str, list[int]]:
    return {room_id: seqs(entries) for room_id, entries in answer["entries"].items()}


class TestCatchUpOfSeveral:
    async def test_tells_each_their_own_rooms_as_they_see_them(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        own = await bob.create_room()

        caught_up = await catch_up_all(service, (bob, {}), (carol, {}), (alice, {}), (bob, {room["id"]: 0}))

        views = [{one["id"]: one for one in asker["rooms"]} for asker in caught_up["askers"]]
        of_bob = {one["id"]: await bob.room(one["id"]) for one in (room, own)}
        assert views == [of_bob, {}, {room["id"]: await alice.room(room["id"])}, of_bob]
        names = [asker["user"] and asker["user"]["username"] for asker in caught_up["askers"]]
        assert names == ["bob", None, "alice", "bob"]
        assert caught_up["epoch"] == (await catch_up(service, bob, {}))["epoch"]

    async def test_tells_entries_once_from_the_lowest_resume_point_on(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        own = await bob.create_room()
        await talk(service, room, alice, 5)
        await talk(service, own, bob, 2)

        caught_up = await catch_up_all(
            service, (alice, {room["id"]: 6}), (bob, {room["id"]: 4, own["id"]: 2}), (bob, {own["id"]: 3})
        )

        assert told(caught_up) == {room["id"]: [5, 6, 7], own["id"]: [3]}
        assert caught_up["entries"] == (await catch_up(service, bob, {room["id"]: 4, own["id"]: 2}))["entries"]

    async def test_tells_the_last_entries_where_too_many_were_missed(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        await talk(service, room, alice, 10)

        caught_up = await catch_up_all(service, (alice, {room["id"]: 11}), (bob, {room["id"]: 2}), limit=4)

        assert told(caught_up) == {room["id"]: [9, 10, 11, 12]}

    async def test_from_the_head_or_beyond_tells_nothing(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        caught_up = await catch_up_all(service, (alice, {room["id"]: 2}), (bob, {room["id"]: 2**53 - 1}))

        assert caught_up["entries"] == {}

    async def test_tells_nothing_of_rooms_that_none_of_them_is_in(
        self, service: ChatService, room: Json, bob: User, carol: User
    ) -> None:
        own = await carol.create_room()

        caught_up = await catch_up_all(service, (carol, {room["id"]: 0, own["id"]: 0, str(uuid7()): 0}), (bob, {}))

        assert told(caught_up) == {own["id"]: [1]}
        assert [[one["id"] for one in asker["rooms"]] for asker in caught_up["askers"]] == [[own["id"]], [room["id"]]]

    async def test_leaves_those_out_whose_entries_would_be_too_many(
        self, service: ChatService, room: Json, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = await bob.create_room()
        await talk(service, room, alice, 5)
        await talk(service, own, bob, 5)
        little, much = (alice, {room["id"]: 4}), (bob, {room["id"]: 4, own["id"]: 0})
        monkeypatch.setattr(logs, "_MOST_ENTRIES", 8)

        several = await catch_up_all(service, little, little, much, little)
        alone = await catch_up_all(service, much, little)

        assert (len(several["askers"]), told(several)) == (2, {room["id"]: [5, 6, 7]})
        assert (len(alone["askers"]), told(alone)) == (1, {room["id"]: [5, 6, 7], own["id"]: [1, 2, 3, 4, 5, 6]})

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"askers": []},
            {"askers": [{"resume": {}}]},
            {"askers": [{"user_id": str(uuid7()), "resume": {str(uuid7()): -1}}]},
            {"askers": [{"user_id": str(uuid7())}] * 101},
            {"askers": [{"user_id": str(uuid7())}], "limit": 1001},
        ],
    )
    async def test_asked_for_in_a_wrong_form_is_refused(self, service: ChatService, body: Json) -> None:
        problem(await service.internal("POST", "/users/catch_up", body), 422, "invalid_request")


class TestEntries:
    async def test_are_the_first_after_each_rooms_seq(self, service: ChatService, room: Json, alice: User) -> None:
        rooms = [room, *[await alice.create_room() for _ in range(3)]]
        for one in rooms:
            await talk(service, one, alice, 5)
        after = {one["id"]: number for number, one in enumerate(rooms)}

        body = {"after": {**after, str(uuid7()): 0}, "limit": 3}
        entries = ok(await service.internal("POST", "/rooms/entries", body))["entries"]

        assert {room_id: seqs(one) for room_id, one in entries.items()} == {
            room_id: [seq + 1, seq + 2, seq + 3] for room_id, seq in after.items()
        }

    async def test_of_rooms_that_are_up_to_date_are_left_out(self, service: ChatService, room: Json) -> None:
        body = {"after": {room["id"]: room["head"]}}

        assert ok(await service.internal("POST", "/rooms/entries", body)) == {"entries": {}}

    async def test_of_a_thousand_rooms_can_be_asked_for_at_once(self, service: ChatService, room: Json) -> None:
        after = {room["id"]: 0, **{str(uuid7()): 0 for _ in range(999)}}

        assert ok(await service.internal("POST", "/rooms/entries", {"after": after}))["entries"].keys() == {room["id"]}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"after": {"x": 0}},
            {"after": {str(uuid7()): -1}},
            {"after": {str(uuid7()): 2**53}},
            {"after": {}, "limit": 0},
            {"after": {}, "limit": 1001},
        ],
    )
    async def test_asked_for_in_a_wrong_form_are_refused(self, service: ChatService, body: Json) -> None:
        problem(await service.internal("POST", "/rooms/entries", body), 422, "invalid_request")


async def test_the_ids_of_a_users_rooms_are_told(service: ChatService, room: Json, bob: User) -> None:
    own = await bob.create_room()

    told = ok(await service.internal("GET", f"/users/{bob.id}/rooms"))["room_ids"]

    assert sorted(told) == sorted([room["id"], own["id"]])


async def test_the_ids_of_several_users_rooms_are_told(
    service: ChatService, room: Json, alice: User, bob: User, carol: User
) -> None:
    own = await bob.create_room()

    body = {"user_ids": [alice.id, bob.id, carol.id, bob.id]}
    told = ok(await service.internal("POST", "/users/rooms", body))["room_ids"]

    assert {user_id: sorted(room_ids) for user_id, room_ids in told.items()} == {
        alice.id: [room["id"]],
        bob.id: sorted([room["id"], own["id"]]),
    }


async def test_nobody_but_a_service_is_told(service: ChatService, room: Json, alice: User) -> None:
    for method, path in (
        ("GET", f"/users/{alice.id}/rooms"),
        ("POST", f"/users/{alice.id}/catch_up"),
        ("POST", "/users/rooms"),
        ("POST", "/users/catch_up"),
        ("POST", "/rooms/entries"),
    ):
        for credential in ({}, {"Authorization": f"Bearer {alice.account.access_token}"}):
            response = await service.http.request(method, f"/internal/v1{path}", json={}, headers=credential)
            problem(response, 401, "invalid_token")
