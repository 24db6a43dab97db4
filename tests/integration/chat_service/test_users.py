"""The copy of users' names: from their events, from tokens, and from user_service."""

import asyncio
from dataclasses import replace
from uuid import UUID

from chat_service.models import User as UserRow
from chat_service.services.change import RoomChange
from chat_service.services.users import keep
from common.database import Database
from common.ids import now, uuid7
from contracts.entries import DELETED_DISPLAY_NAME, DELETED_USERNAME, MemberLeft
from contracts.internal_http import UserView
from contracts.messages import RoomEntry, SessionRevoked, UserDeleted, UserProfileChanged, UserRegistered
from tests.support.chat_service import SERVICE_TOKEN, ChatService, event_message, send
from tests.support.client import User
from tests.support.shapes import Json, ok, problem


def registered(user_id: UUID, username: str, version: int = 1) -> UserRegistered:
    return UserRegistered(
        user_id=user_id,
        username=username,
        display_name=f"The {username}",
        email_digest="0" * 64,
        email_digest_key_id="k",
        version=version,
        registered_at=now(),
    )


def renamed(user: User | UUID, display_name: str, version: int) -> UserProfileChanged:
    user_id = UUID(user.id) if isinstance(user, User) else user
    return UserProfileChanged(user_id=user_id, username="same", display_name=display_name, version=version)


def deleted(user: User, version: int = 9) -> UserDeleted:
    return UserDeleted(user_id=UUID(user.id), email_digest="0" * 64, email_digest_key_id="k", version=version)


async def copy_of(service: ChatService, user_id: UUID | str) -> UserRow | None:
    database = Database(service.database_url)
    async with database.read() as session:
        user = await session.get(UserRow, UUID(str(user_id)))
    await database.close()
    return user


async def shown_name(asking: User, room: Json, user: User) -> str:
    members = ok(await asking.get(f"/rooms/{room['id']}/members"))["items"]
    (name,) = (member["display_name"] for member in members if member["user_id"] == user.id)
    assert isinstance(name, str)
    return name


class TestEvents:
    async def test_tell_the_names_without_asking_user_service(self, service: ChatService, alice: User) -> None:
        user_id = uuid7()
        await service.user_event(registered(user_id, "dave"))

        room = ok(await alice.post("/rooms/direct", {"user_id": str(user_id)}), 201)

        names = {one["username"] for one in ok(await alice.get(f"/rooms/{room['id']}/members"))["items"]}
        assert names == {alice.account.username, "dave"}
        assert service.user_service.asked == []

    async def test_that_come_late_or_twice_change_nothing(self, service: ChatService, room: Json, alice: User) -> None:
        await service.user_event(renamed(alice, "Third", 3), renamed(alice, "Second", 2), renamed(alice, "Third", 3))

        assert await shown_name(alice, room, alice) == "Third"

    async def test_of_one_batch_leave_the_highest_version(self, service: ChatService) -> None:
        user_id = uuid7()
        events = [renamed(user_id, f"Version {version}", version) for version in (2, 4, 3)]

        await service.user_events_at_once(registered(user_id, "dave"), *events)

        copy = await copy_of(service, user_id)
        assert copy is not None
        assert (copy.display_name, copy.version) == ("Version 4", 4)

    async def test_know_better_than_a_token(self, service: ChatService, alice: User) -> None:
        room = await alice.create_room()

        await service.user_event(renamed(alice, "Registered", 1))

        assert await shown_name(alice, room, alice) == "Registered"

    async def test_that_are_none_become_dead_letters(self, service: ChatService, room: Json, alice: User) -> None:
        poison = replace(event_message(renamed(alice, "Poison", 9)), body=b"{}")
        stray = replace(
            event_message(SessionRevoked(user_id=UUID(alice.id), session_id=None, reason="logout")),
            key=UserRegistered.type,
        )
        await service.bus.publish([poison, stray, event_message(renamed(alice, "After", 2))])

        assert await shown_name(alice, room, alice) == "After"


class TestDeletion:
    async def test_ends_every_membership_by_the_log(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        direct = ok(await bob.post("/rooms/direct", {"user_id": alice.id}), 201)
        own = await bob.create_room("public")

        await service.user_event(deleted(bob))

        entries = await service.hear(RoomEntry, 2 + 2 + 1 + 3)
        ends = {str(entry.room_id): entry for entry in entries if entry.kind == MemberLeft.kind}
        assert ends.keys() == {room["id"], direct["id"], own["id"]}
        assert {(str(entry.actor_id), entry.data["user_id"]) for entry in ends.values()} == {(bob.id, bob.id)}
        assert (await alice.room(room["id"]))["member_count"] == 1
        assert (await alice.room(direct["id"]))["member_count"] == 1
        assert ok(await service.internal("GET", f"/users/{bob.id}/rooms")) == {"room_ids": []}

    async def test_hands_an_owners_room_on(self, service: ChatService, room: Json, alice: User, bob: User) -> None:
        await service.user_event(deleted(alice))

        assert (await bob.room(room["id"]))["role"] == "owner"

    async def test_takes_effect_once_however_often_it_is_told(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        await service.user_event(deleted(bob))
        log = await alice.log(room["id"])

        await service.user_event(deleted(bob))

        assert await alice.log(room["id"]) == log

    async def test_ends_memberships_even_if_it_was_only_noted_the_first_time(
        self, service: ChatService, room: Json, alice: User, bob: User
    ) -> None:
        database = Database(service.database_url)
        async with database.write() as session:
            copy = await session.get_one(UserRow, UUID(bob.id))
            copy.deleted, copy.version = True, 9
            await session.commit()
        await database.close()

        await service.user_event(deleted(bob))

        assert (await alice.room(room["id"]))["member_count"] == 1

    async def test_is_not_undone_by_events_that_come_late(self, service: ChatService, bob: User) -> None:
        await service.user_event(deleted(bob), registered(UUID(bob.id), "bob"), renamed(bob, "Back", 2))

        copy = await copy_of(service, bob.id)
        assert copy is not None
        assert (copy.deleted, copy.username, copy.display_name) == (True, DELETED_USERNAME, DELETED_DISPLAY_NAME)

    async def test_of_somebody_unknown_is_remembered(self, service: ChatService, alice: User, carol: User) -> None:
        await service.user_event(deleted(carol))

        problem(await alice.post("/rooms/direct", {"user_id": carol.id}), 404, "not_found")

    async def test_leaves_no_membership_that_began_at_the_same_instant(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        rooms = [await alice.create_room("public") for _ in range(12)]

        await asyncio.gather(
            *(bob.post(f"/rooms/{room['id']}/join") for room in rooms[::2]),
            service.user_event(deleted(bob)),
            *(alice.put(f"/rooms/{room['id']}/members/{bob.id}", {"role": "member"}) for room in rooms[1::2]),
        )

        assert ok(await service.internal("GET", f"/users/{bob.id}/rooms")) == {"room_ids": []}
        assert {(await alice.room(room["id"]))["member_count"] for room in rooms} == {1}

    async def test_waits_for_a_membership_that_is_just_beginning(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        room = await alice.create_room("public")
        await bob.create_room()  # so that bob is known
        database = Database(service.database_url)
        async with database.write() as session:
            users = await keep(session, [UUID(bob.id)])
            deletion = asyncio.create_task(service.user_event(deleted(bob)))
            done, _ = await asyncio.wait({deletion}, timeout=0.5)
            assert not done
            change = await RoomChange.begin(session, UUID(room["id"]), UUID(bob.id))
            await change.admit(users[UUID(bob.id)], "member")
            await session.commit()
        await database.close()

        await deletion

        assert ok(await service.internal("GET", f"/users/{bob.id}/rooms")) == {"room_ids": []}

    async def test_refuses_their_commands(self, service: ChatService, room: Json, alice: User, bob: User) -> None:
        await service.user_event(deleted(bob))

        await service.command(send(room, bob, "from beyond"))

        assert await alice.texts(room["id"]) == []
        problem(await bob.send(room["id"], "from beyond"), 403, "not_a_member")


class TestAskingUserService:
    async def test_happens_once_per_user_with_the_service_credential(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        first, second = await alice.create_room(), await alice.create_room()

        await alice.add(first["id"], bob)
        await alice.add(second["id"], bob)

        assert service.user_service.asked == [UUID(bob.id)]
        assert service.user_service.credentials == {f"Bearer {SERVICE_TOKEN}"}
        assert await shown_name(alice, first, bob) == bob.account.display_name

    async def test_says_unavailable_while_it_can_not_answer_and_adds_nobody(
        self, service: ChatService, alice: User, bob: User
    ) -> None:
        room = await alice.create_room()
        path = f"/rooms/{room['id']}/members/{bob.id}"

        service.user_service.status = 500
        problem(await alice.put(path, {"role": "member"}), 503, "unavailable")
        service.user_service.status, service.user_service.delay_s = 200, 30
        response = await alice.put(path, {"role": "member"})
        problem(response, 503, "unavailable")
        assert response.headers["retry-after"] == "1"

        service.user_service.delay_s = 0
        ok(await alice.put(path, {"role": "member"}))

    async def test_never_makes_an_older_name_of_a_newer_one(self, service: ChatService, alice: User, bob: User) -> None:
        room = await alice.create_room()
        await service.user_event(renamed(bob, "Newer", 5))
        service.user_service.users[UUID(bob.id)] = UserView(
            id=UUID(bob.id), username="bob", display_name="Older", version=4
        )

        await alice.add(room["id"], bob)

        assert await shown_name(alice, room, bob) == "Newer"
