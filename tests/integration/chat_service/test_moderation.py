"""Bans and mutes over HTTP, and what happens when several things are done to one member at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chat_service.models import Ban, Mute
from common.database import Database
from common.ids import now, uuid7
from contracts.messages import CommandRefused, Refusal, UserDeleted
from tests.support.chat_service import ChatService, delete, edit, react, send
from tests.support.client import User
from tests.support.shapes import Json, assert_time, invalid_request, ok, problem

BANS, MUTES = "bans", "mutes"


def deleted(user: User) -> UserDeleted:
    return UserDeleted(user_id=UUID(user.id), email_digest="0" * 64, email_digest_key_id="k1", version=9)


async def last_entries(user: User, room: Json, count: int) -> list[tuple[str, str, Json]]:
    log = await user.log(room["id"])
    return [(event["kind"], event["actor_id"], event["data"]) for event in log[-count:]]


async def roles(user: User, room: Json) -> dict[str, str]:
    members = ok(await user.get(f"/rooms/{room['id']}/members"))["items"]
    return {member["user_id"]: member["role"] for member in members}


async def muted_until(user: User, room: Json, member: User) -> str | None:
    members = ok(await user.get(f"/rooms/{room['id']}/members"))["items"]
    (found,) = [one["muted_until"] for one in members if one["user_id"] == member.id]
    return found if found is None else str(found)


async def lift(user: User, room: Json, what: str, target: User) -> None:
    response = await user.delete(f"/rooms/{room['id']}/{what}/{target.id}")
    assert (response.status_code, response.content) == (204, b"")


async def expire_mutes(service: ChatService) -> None:
    database = Database(service.database_url)
    async with database.write() as session:
        await session.execute(update(Mute).values(until=now() - timedelta(milliseconds=1)))
        await session.commit()
    await database.close()


@pytest.fixture
async def public(alice: User, bob: User) -> Json:
    """A public room that alice owns and bob is a member of."""
    room = await alice.create_room("public")
    ok(await bob.post(f"/rooms/{room['id']}/join"))
    return room


class TestBanning:
    async def test_removes_a_member_and_keeps_them_out_until_it_is_lifted(
        self, public: Json, alice: User, bob: User
    ) -> None:
        await alice.ban(public["id"], bob)

        assert await last_entries(alice, public, 1) == [("member.removed", alice.id, {"user_id": bob.id})]
        problem(await bob.post(f"/rooms/{public['id']}/join"), 403, "banned")
        member = f"/rooms/{public['id']}/members/{bob.id}"
        problem(await alice.put(member, {"role": "member"}), 403, "banned")
        problem(await alice.put(member, {"role": "admin"}), 403, "banned")
        assert await roles(alice, public) == {alice.id: "owner"}

        await lift(alice, public, BANS, bob)

        assert ok(await bob.post(f"/rooms/{public['id']}/join"))["role"] == "member"

    async def test_of_somebody_who_is_no_member_is_not_told_in_the_log(
        self, public: Json, alice: User, carol: User
    ) -> None:
        log = await alice.log(public["id"])

        await alice.ban(public["id"], carol)

        assert await alice.log(public["id"]) == log
        problem(await carol.post(f"/rooms/{public['id']}/join"), 403, "banned")

    async def test_again_and_lifting_again_changes_nothing(
        self, public: Json, alice: User, bob: User, carol: User
    ) -> None:
        await alice.add(public["id"], carol, "admin")
        await alice.ban(public["id"], bob)
        log, bans = await alice.log(public["id"]), ok(await alice.get(f"/rooms/{public['id']}/bans"))

        await carol.ban(public["id"], bob)

        assert await alice.log(public["id"]) == log
        assert ok(await alice.get(f"/rooms/{public['id']}/bans")) == bans
        for _ in range(2):
            await lift(carol, public, BANS, bob)
        assert ok(await alice.get(f"/rooms/{public['id']}/bans")) == {"items": [], "next": None}

    async def test_in_a_private_room_keeps_from_being_added(self, room: Json, alice: User, bob: User) -> None:
        await alice.ban(room["id"], bob)

        problem(await alice.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "member"}), 403, "banned")
        problem(await bob.post(f"/rooms/{room['id']}/join"), 403, "forbidden")

        await lift(alice, room, BANS, bob)
        await alice.add(room["id"], bob)

    async def test_of_whom_nobody_knows_is_not_found(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        problem(await alice.put(f"/rooms/{room['id']}/bans/{uuid7()}"), 404, "not_found")
        problem(await alice.put(f"/rooms/{uuid7()}/bans/{carol.id}"), 404, "not_found")
        problem(await alice.delete(f"/rooms/{uuid7()}/bans/{carol.id}"), 404, "not_found")
        problem(await alice.get(f"/rooms/{uuid7()}/bans"), 404, "not_found")
        await lift(alice, room, BANS, carol)

        await service.user_event(deleted(carol))
        problem(await alice.put(f"/rooms/{room['id']}/bans/{carol.id}"), 404, "not_found")

    async def test_is_listed_for_admins_page_by_page(
        self, service: ChatService, room: Json, alice: User, carol: User
    ) -> None:
        await alice.add(room["id"], carol, "admin")
        banned = [service.newcomer() for _ in range(3)]
        for user in banned:
            await carol.ban(room["id"], user)
        path = f"/rooms/{room['id']}/bans"

        first = ok(await carol.get(path, limit=2))
        second = ok(await alice.get(path, limit=2, cursor=first["next"]))

        assert second["next"] is None
        listed = first["items"] + second["items"]
        assert [ban["user_id"] for ban in listed] == sorted(user.id for user in banned)
        for ban in listed:
            assert ban.keys() == {"user_id", "username", "display_name", "banned_by", "at"}
            assert ban["banned_by"] == carol.id
            assert_time(ban["at"])
        assert {ban["username"] for ban in listed} == {user.account.username for user in banned}


class TestMuting:
    async def test_is_shown_among_the_members_and_to_admins(self, room: Json, alice: User, bob: User) -> None:
        assert await muted_until(bob, room, bob) is None

        until = await alice.mute(room["id"], bob)

        assert await muted_until(bob, room, bob) == until
        assert await muted_until(bob, room, alice) is None
        assert ok(await alice.get(f"/rooms/{room['id']}/mutes")) == {
            "items": [
                {
                    "user_id": bob.id,
                    "username": bob.account.username,
                    "display_name": bob.account.display_name,
                    "muted_by": alice.id,
                    "until": until,
                }
            ],
            "next": None,
        }

    async def test_is_listed_page_by_page(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        for user in (others := [carol, service.newcomer()]):
            await alice.add(room["id"], user)
        for user in (bob, *others):
            await alice.mute(room["id"], user)
        path = f"/rooms/{room['id']}/mutes"

        first = ok(await alice.get(path, limit=2))
        second = ok(await alice.get(path, limit=2, cursor=first["next"]))

        listed = [mute["user_id"] for mute in first["items"] + second["items"]]
        assert listed == sorted(user.id for user in (bob, *others))
        assert second["next"] is None

    async def test_is_not_told_in_the_log(self, room: Json, alice: User, bob: User) -> None:
        log = await alice.log(room["id"])

        await alice.mute(room["id"], bob)
        await lift(alice, room, MUTES, bob)

        assert await alice.log(room["id"]) == log

    async def test_again_replaces_the_time(self, room: Json, alice: User, bob: User) -> None:
        await alice.mute(room["id"], bob, 7200)

        until = await alice.mute(room["id"], bob, 60)

        assert await muted_until(alice, room, bob) == until

    async def test_ends_when_it_is_lifted_however_often(self, room: Json, alice: User, bob: User) -> None:
        await alice.mute(room["id"], bob)

        for _ in range(2):
            await lift(alice, room, MUTES, bob)

        assert await muted_until(alice, room, bob) is None

    async def test_ends_with_its_time_and_leaves_nothing_behind(
        self, service: ChatService, room: Json, alice: User, bob: User, carol: User
    ) -> None:
        await alice.add(room["id"], carol)
        await alice.mute(room["id"], bob)
        await expire_mutes(service)

        assert await muted_until(alice, room, bob) is None
        assert ok(await alice.get(f"/rooms/{room['id']}/mutes"))["items"] == []

        await alice.mute(room["id"], carol)
        database = Database(service.database_url)
        async with database.read() as session:
            assert [str(mute.user_id) for mute in await session.scalars(select(Mute))] == [carol.id]
        await database.close()

    async def test_outlives_leaving_and_coming_back(self, public: Json, alice: User, bob: User) -> None:
        until = await alice.mute(public["id"], bob)

        await bob.post(f"/rooms/{public['id']}/leave")
        assert [mute["user_id"] for mute in ok(await alice.get(f"/rooms/{public['id']}/mutes"))["items"]] == [bob.id]
        ok(await bob.post(f"/rooms/{public['id']}/join"))

        assert await muted_until(alice, public, bob) == until
        promoted = ok(await alice.put(f"/rooms/{public['id']}/members/{bob.id}", {"role": "admin"}))
        assert promoted["muted_until"] == until

    async def test_can_be_lifted_of_somebody_who_has_left(self, public: Json, alice: User, bob: User) -> None:
        await alice.mute(public["id"], bob)
        await bob.post(f"/rooms/{public['id']}/leave")

        await lift(alice, public, MUTES, bob)

        assert ok(await alice.get(f"/rooms/{public['id']}/mutes"))["items"] == []

    @pytest.mark.parametrize("how", ["by succession", "by joining an empty room"])
    async def test_ends_for_the_one_who_becomes_owner(self, public: Json, alice: User, bob: User, how: str) -> None:
        await alice.mute(public["id"], bob)

        leaving = [alice] if how == "by succession" else [bob, alice]
        for user in leaving:
            await user.post(f"/rooms/{public['id']}/leave")
        ok(await bob.post(f"/rooms/{public['id']}/join"))

        assert await roles(bob, public) == {bob.id: "owner"}
        assert await muted_until(bob, public, bob) is None

    async def test_of_nobody_is_not_found(self, room: Json, alice: User, carol: User) -> None:
        until = {"until": "2100-01-01T00:00:00Z"}

        problem(await alice.put(f"/rooms/{room['id']}/mutes/{carol.id}", until), 404, "not_found")
        problem(await alice.put(f"/rooms/{uuid7()}/mutes/{carol.id}", until), 404, "not_found")
        await lift(alice, room, MUTES, carol)

    @pytest.mark.parametrize(
        "until",
        [
            None,
            "",
            "tomorrow",
            4102444800,
            "4102444800",
            "2100-01-01",
            "2100-01-01T00:00:00",
            "2100-02-30T00:00:00Z",
            "2020-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
        ],
    )
    async def test_until_no_time_to_come_is_refused(self, room: Json, alice: User, bob: User, until: object) -> None:
        errors = invalid_request(await alice.put(f"/rooms/{room['id']}/mutes/{bob.id}", {"until": until}))

        assert [error["loc"] for error in errors] == [["body", "until"]]
        assert await muted_until(alice, room, bob) is None

    @pytest.mark.parametrize(
        ("until", "shown"),
        [
            ("2100-01-01T02:00:00.1239+02:00", "2100-01-01T00:00:00.123Z"),
            ("2100-01-01t00:00:00z", "2100-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ],
    )
    async def test_takes_any_form_of_rfc_3339(self, room: Json, alice: User, bob: User, until: str, shown: str) -> None:
        response = await alice.put(f"/rooms/{room['id']}/mutes/{bob.id}", {"until": until})

        assert response.status_code == 204, response.text
        assert await muted_until(alice, room, bob) == shown


class TestMutedMembers:
    async def test_do_not_post_and_are_told_for_how_long(self, room: Json, alice: User, bob: User) -> None:
        await alice.mute(room["id"], bob, 60)

        response = await bob.send(room["id"], "and another thing")

        problem(response, 403, "muted")
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert await alice.texts(room["id"]) == []

    async def test_do_not_post_edit_or_react_but_delete_what_they_have_said(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        message = ok(await bob.send(room["id"], "oops"), 201)
        await alice.mute(room["id"], bob, 60)

        await service.command(
            send(room, bob), edit(room, bob, message, "better"), react(room, bob, message), delete(room, bob, message)
        )

        refused = service.heard(CommandRefused)
        assert [refusal.code for refusal in refused] == [Refusal.MUTED] * 3
        assert all(0 < (refusal.retry_after or 0) <= 60 for refusal in refused)
        assert await last_entries(alice, room, 1) == [("message.deleted", bob.id, {"message_id": message["id"]})]

    async def test_get_the_first_answer_to_what_they_sent_before(self, room: Json, alice: User, bob: User) -> None:
        said = ok(await bob.send(room["id"], "once", key="once"), 201)
        await alice.mute(room["id"], bob)

        assert ok(await bob.send(room["id"], "once", key="once")) == said

    @pytest.mark.parametrize("how", ["lifted", "expired", "owner now"])
    async def test_speak_again_when_it_is_over(
        self, service: ChatService, public: Json, alice: User, bob: User, how: str
    ) -> None:
        await alice.mute(public["id"], bob)
        problem(await bob.send(public["id"], "may I?"), 403, "muted")

        if how == "lifted":
            await lift(alice, public, MUTES, bob)
        elif how == "expired":
            await expire_mutes(service)
        else:
            await alice.post(f"/rooms/{public['id']}/leave")

        ok(await bob.send(public["id"], "at last"), 201)

    async def test_may_not_post_after_leaving_and_coming_back(self, public: Json, alice: User, bob: User) -> None:
        await alice.mute(public["id"], bob)
        await bob.post(f"/rooms/{public['id']}/leave")
        ok(await bob.post(f"/rooms/{public['id']}/join"))

        problem(await bob.send(public["id"], "who, me?"), 403, "muted")


class TestRanks:
    """Of bans and mutes alike."""

    @pytest.fixture(params=[BANS, MUTES])
    def what(self, request: pytest.FixtureRequest) -> str:
        what: str = request.param
        return what

    @pytest.fixture
    def body(self, what: str) -> Json | None:
        until = datetime.now(UTC) + timedelta(hours=1)
        return {"until": until.isoformat()} if what == MUTES else None

    async def test_of_members_do_neither(
        self, public: Json, alice: User, bob: User, carol: User, what: str, body: Json | None
    ) -> None:
        await alice.add(public["id"], carol)
        path = f"/rooms/{public['id']}/{what}"

        problem(await bob.get(path), 403, "forbidden")
        problem(await bob.put(f"{path}/{carol.id}", body), 403, "forbidden")
        problem(await bob.delete(f"{path}/{carol.id}"), 403, "forbidden")

    async def test_of_those_outside_do_neither(
        self, public: Json, bob: User, carol: User, what: str, body: Json | None
    ) -> None:
        path = f"/rooms/{public['id']}/{what}"

        problem(await carol.get(path), 403, "not_a_member")
        problem(await carol.put(f"{path}/{bob.id}", body), 403, "not_a_member")
        problem(await carol.delete(f"{path}/{bob.id}"), 403, "not_a_member")

    async def test_that_are_not_lower_are_safe(
        self, service: ChatService, public: Json, alice: User, bob: User, carol: User, what: str, body: Json | None
    ) -> None:
        dave = service.newcomer()
        for user in (carol, dave):
            await alice.add(public["id"], user, "admin")
        path = f"/rooms/{public['id']}/{what}"

        for target in (alice, carol, dave):
            problem(await carol.put(f"{path}/{target.id}", body), 403, "forbidden")
        problem(await alice.put(f"{path}/{alice.id}", body), 403, "forbidden")
        assert (await carol.put(f"{path}/{bob.id}", body)).status_code == 204
        assert (await alice.put(f"{path}/{carol.id}", body)).status_code == 204

    async def test_do_not_count_in_direct_rooms(
        self, alice: User, bob: User, carol: User, what: str, body: Json | None
    ) -> None:
        direct = ok(await alice.post("/rooms/direct", {"user_id": bob.id}), 201)
        path = f"/rooms/{direct['id']}/{what}"

        problem(await alice.get(path), 403, "forbidden")
        problem(await alice.put(f"{path}/{bob.id}", body), 403, "forbidden")
        problem(await alice.put(f"{path}/{carol.id}", body), 403, "forbidden")
        problem(await alice.delete(f"{path}/{bob.id}"), 403, "forbidden")

    async def test_do_not_help_admins_to_lift_what_was_done_to_them(self, room: Json, alice: User, bob: User) -> None:
        await alice.add(room["id"], bob, "admin")
        until = await alice.mute(room["id"], bob)

        problem(await bob.delete(f"/rooms/{room['id']}/mutes/{bob.id}"), 403, "forbidden")

        assert await muted_until(alice, room, bob) == until


class TestAfterRemoval:
    @pytest.mark.parametrize("how", ["removed", "banned"])
    async def test_nothing_of_a_private_room_can_be_had(self, room: Json, alice: User, bob: User, how: str) -> None:
        ok(await bob.send(room["id"], "mine"), 201)
        await (alice.ban if how == "banned" else alice.remove)(room["id"], bob)
        path = f"/rooms/{room['id']}"

        for what in ("members", "messages", "events", "bans", "mutes"):
            problem(await bob.get(f"{path}/{what}"), 403, "not_a_member")
        problem(await bob.send(room["id"], "still here?"), 403, "not_a_member")
        problem(await bob.post(f"{path}/leave"), 403, "not_a_member")
        problem(await bob.get(path), 403, "forbidden")
        problem(await bob.patch(path, {"name": "Mine"}), 403, "forbidden")
        problem(await bob.delete(path), 403, "forbidden")
        assert ok(await bob.get("/rooms"))["items"] == []

    async def test_a_repeated_post_is_answered_without_what_others_have_added(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        said = ok(await bob.send(room["id"], "mine", key="once"), 201)
        await service.command(react(room, alice, said))
        again = ok(await bob.send(room["id"], "mine", key="once"))
        assert again == {**said, "reactions": {"👍": [alice.id]}}

        await alice.remove(room["id"], bob)

        assert ok(await bob.send(room["id"], "mine", key="once")) == said

    async def test_history_from_before_the_joining_is_visible_to_who_is_in(
        self, room: Json, alice: User, carol: User
    ) -> None:
        ok(await alice.send(room["id"], "long ago"), 201)

        await alice.add(room["id"], carol)

        assert await carol.texts(room["id"]) == ["long ago"]
        assert [one["text"] for one in ok(await carol.get(f"/rooms/{room['id']}/messages"))["items"]] == ["long ago"]
        assert (await carol.log(room["id"]))[0]["seq"] == 1


class TestAtOnce:
    async def test_who_is_banned_while_joining_or_being_added_is_out(
        self, service: ChatService, alice: User, carol: User
    ) -> None:
        rooms = [await alice.create_room("public") for _ in range(8)]

        async def meddle(room: Json) -> None:
            path = f"/rooms/{room['id']}"
            responses = await asyncio.gather(
                carol.post(f"{path}/join"),
                alice.put(f"{path}/bans/{carol.id}"),
                carol.post(f"{path}/join"),
                alice.put(f"{path}/members/{carol.id}", {"role": "member"}),
            )
            for response in responses:
                assert response.is_success or problem(response, 403, "banned")

        await asyncio.gather(*map(meddle, rooms))

        assert ok(await service.internal("GET", f"/users/{carol.id}/rooms")) == {"room_ids": []}
        for room in rooms:
            assert await roles(alice, room) == {alice.id: "owner"}
            assert (await alice.room(room["id"]))["member_count"] == 1
            log = await alice.log(room["id"])
            assert [event["kind"] for event in log[1:]] in ([], ["member.joined", "member.removed"])

    async def test_many_bans_of_one_user_are_one(self, public: Json, alice: User, bob: User) -> None:
        path = f"/rooms/{public['id']}/bans/{bob.id}"

        responses = await asyncio.gather(*(alice.put(path) for _ in range(6)))

        assert {response.status_code for response in responses} == {204}
        log = await alice.log(public["id"])
        assert [event["kind"] for event in log] == ["member.joined", "member.joined", "member.removed"]

    async def test_owner_and_heir_leaving_pass_the_room_on_to_who_stays(
        self, alice: User, bob: User, carol: User
    ) -> None:
        rooms = await self.rooms_with_an_admin(alice, bob, carol)

        await asyncio.gather(*(user.post(f"/rooms/{room['id']}/leave") for room in rooms for user in (alice, bob)))

        for room in rooms:
            assert await roles(carol, room) == {carol.id: "owner"}

    async def test_an_owner_who_is_deleted_and_an_heir_who_leaves_do_so_as_well(
        self, service: ChatService, alice: User, bob: User, carol: User
    ) -> None:
        rooms = await self.rooms_with_an_admin(alice, bob, carol)

        await asyncio.gather(
            service.user_event(deleted(alice)), *(bob.post(f"/rooms/{room['id']}/leave") for room in rooms)
        )

        for room in rooms:
            assert await roles(carol, room) == {carol.id: "owner"}

    async def test_the_last_two_leaving_leave_a_room_to_whoever_comes_next(
        self, public: Json, alice: User, bob: User, carol: User
    ) -> None:
        await asyncio.gather(*(user.post(f"/rooms/{public['id']}/leave") for user in (alice, bob)))
        assert (await carol.room(public["id"]))["member_count"] == 0

        assert ok(await carol.post(f"/rooms/{public['id']}/join"))["role"] == "owner"

    async def rooms_with_an_admin(self, owner: User, admin: User, member: User) -> list[Json]:
        rooms = [await owner.create_room("public") for _ in range(8)]
        for room in rooms:
            await owner.add(room["id"], admin, "admin")
            await owner.add(room["id"], member)
        return rooms


async def test_a_room_that_is_deleted_takes_its_bans_and_mutes_along(
    service: ChatService, room: Json, alice: User, bob: User, carol: User
) -> None:
    await alice.mute(room["id"], bob)
    await alice.ban(room["id"], carol)

    assert (await alice.delete(f"/rooms/{room['id']}")).status_code == 204

    database = Database(service.database_url)
    async with database.read() as session:
        assert [*await session.scalars(select(Ban)), *await session.scalars(select(Mute))] == []
    await database.close()
