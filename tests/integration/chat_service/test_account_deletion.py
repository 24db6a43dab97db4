"""What a deleted account leaves behind in rooms: entries and messages of a deleted user, and no name."""

import asyncio
from itertools import permutations
from uuid import UUID

import pytest

from chat_service.models import Ban, Mute
from common.database import Database
from common.ids import now
from contracts.entries import DELETED_DISPLAY_NAME, DELETED_USERNAME
from contracts.messages import UserDeleted, UserEvent, UserProfileChanged, UserRegistered
from tests.support.chat_service import ChatService, mark, send
from tests.support.client import User, new_command_id
from tests.support.dump import everything_in
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok, problem

NAMES = {"username": DELETED_USERNAME, "display_name": DELETED_DISPLAY_NAME}


@pytest.fixture
def leaver(service: ChatService) -> User:
    """Somebody whose names stand nowhere else."""
    return service.newcomer("unmistakable")


def registered(user: User) -> UserRegistered:
    return UserRegistered(
        user_id=UUID(user.id),
        username=user.account.username,
        display_name=user.account.display_name,
        email_digest="0" * 64,
        email_digest_key_id="k",
        version=1,
        registered_at=now(),
    )


def renamed(user: User) -> UserProfileChanged:
    return UserProfileChanged(
        user_id=UUID(user.id), username=user.account.username, display_name="Unmistakable Too", version=2
    )


def deleted(user: User) -> UserDeleted:
    return UserDeleted(user_id=UUID(user.id), email_digest="0" * 64, email_digest_key_id="k", version=3)


async def joinings(asking: User, room: Json) -> list[Json]:
    return [event["data"] for event in await asking.log(room["id"]) if event["kind"] == "member.joined"]


async def assert_no_names_are_left(service: ChatService) -> None:
    async def gone() -> bool:
        return "unmistakable" not in (await everything_in(service.database_url)).lower()

    # what was about to be published is so in a moment
    await eventually(gone, every=0.1)


class TestNames:
    async def test_go_from_every_log_however_one_came_in_and_however_long_ago(
        self, service: ChatService, alice: User, leaver: User
    ) -> None:
        joined, added, left, removed = [await alice.create_room("public") for _ in range(4)]
        for room in (joined, left, left):
            ok(await leaver.post(f"/rooms/{room['id']}/join"))
            if room is left:
                assert (await leaver.post(f"/rooms/{room['id']}/leave")).is_success
        for room in (added, removed):
            await alice.add(room["id"], leaver)
        await alice.remove(removed["id"], leaver)
        direct = ok(await leaver.post("/rooms/direct", {"user_id": alice.id}), 201)
        own = await leaver.create_room("public")
        await alice.post(f"/rooms/{own['id']}/join")

        await service.user_event(deleted(leaver))

        for room in (joined, added, left, removed, direct, own):
            theirs = [one for one in await joinings(alice, room) if one["user_id"] == leaver.id]
            assert len(theirs) == (2 if room is left else 1)
            assert all(NAMES.items() <= one.items() and one["role"] for one in theirs)
        await assert_no_names_are_left(service)

    async def test_go_from_the_logs_of_more_rooms_than_are_taken_at_once(
        self, service: ChatService, alice: User, leaver: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("log._CHUNK", "user_events._MOST_ROOMS"):
            monkeypatch.setattr(f"chat_service.services.{name}", 3)
        rooms = [await leaver.create_room("public") for _ in range(7)]
        for room in rooms:
            ok(await alice.post(f"/rooms/{room['id']}/join"))

        await service.user_event(deleted(leaver))

        for room in rooms:
            left, appointed = (await alice.log(room["id"]))[-2:]
            assert (left["kind"], left["data"]) == ("member.left", {"user_id": leaver.id})
            assert (appointed["kind"], appointed["data"]) == (
                "member.role_changed",
                {"user_id": alice.id, "role": "owner"},
            )
            assert (await alice.room(room["id"]))["member_count"] == 1
        await assert_no_names_are_left(service)

    async def test_go_from_the_log_of_a_deleted_room(self, service: ChatService, alice: User, leaver: User) -> None:
        room = await alice.create_room("public")
        ok(await leaver.post(f"/rooms/{room['id']}/join"))
        assert (await alice.delete(f"/rooms/{room['id']}")).is_success

        await service.user_event(deleted(leaver))

        await assert_no_names_are_left(service)

    async def test_of_others_stay(self, service: ChatService, room: Json, alice: User, leaver: User) -> None:
        await alice.add(room["id"], leaver)
        before = await joinings(alice, room)

        await service.user_event(deleted(leaver))

        assert await joinings(alice, room) == [*before[:2], {**before[2], **NAMES}]

    @pytest.mark.parametrize("order", list(permutations(("registered", "renamed", "deleted"))))
    async def test_do_not_come_back_in_whatever_order_and_however_often_events_come(
        self, service: ChatService, alice: User, leaver: User, order: tuple[str, ...]
    ) -> None:
        room = await alice.create_room("public")
        await alice.add(room["id"], leaver)
        events: dict[str, UserEvent] = {
            "registered": registered(leaver),
            "renamed": renamed(leaver),
            "deleted": deleted(leaver),
        }

        await service.user_event(*(events[name] for name in order * 2))

        await assert_no_names_are_left(service)

    async def test_do_not_come_back_with_a_token_that_is_still_good(
        self, service: ChatService, alice: User, leaver: User
    ) -> None:
        room = await alice.create_room("public")
        await service.user_event(deleted(leaver))

        problem(await leaver.post(f"/rooms/{room['id']}/join"), 401, "invalid_token")
        problem(await alice.put(f"/rooms/{room['id']}/members/{leaver.id}", {"role": "member"}), 404, "not_found")

        await assert_no_names_are_left(service)

    async def test_of_somebody_who_is_joining_at_that_instant_go_too(
        self, service: ChatService, alice: User, leaver: User
    ) -> None:
        rooms = [await alice.create_room("public") for _ in range(10)]

        await asyncio.gather(
            *(leaver.post(f"/rooms/{room['id']}/join") for room in rooms[::2]),
            service.user_event(deleted(leaver)),
            *(alice.put(f"/rooms/{room['id']}/members/{leaver.id}", {"role": "member"}) for room in rooms[1::2]),
        )

        await assert_no_names_are_left(service)


class TestMessages:
    async def test_stay_and_are_a_deleted_users(
        self, service: ChatService, room: Json, alice: User, leaver: User
    ) -> None:
        await alice.add(room["id"], leaver)
        ok(await leaver.send(room["id"], "remember me"), 201)
        ok(await alice.send(room["id"], "we do"), 201)

        await service.user_event(deleted(leaver))

        reply, message = ok(await alice.get(f"/rooms/{room['id']}/messages"))["items"]
        assert message["text"] == "remember me"
        assert (message["sender_id"], message["sender"]) == (leaver.id, {"id": leaver.id, **NAMES})
        assert reply["sender"]["username"] == alice.account.username

    async def test_that_wait_to_be_posted_are_refused(
        self, service: ChatService, room: Json, alice: User, leaver: User
    ) -> None:
        await alice.add(room["id"], leaver)
        command_id = new_command_id()
        await service.user_event(deleted(leaver))

        await service.command(send(room, leaver, "from beyond", id=UUID(command_id)), mark(room, leaver, 1))

        problem(await leaver.send(room["id"], "from beyond", key=command_id), 403, "not_a_member")
        assert await alice.texts(room["id"]) == []


class TestWhatConcernedThem:
    async def test_goes_read_marks_bans_and_mutes(
        self, service: ChatService, room: Json, alice: User, bob: User, leaver: User
    ) -> None:
        await alice.add(room["id"], leaver)
        await service.command(mark(room, leaver, 3))
        database = Database(service.database_url)
        async with database.write() as session:
            for user in (leaver, bob):
                of_user = {"room_id": UUID(room["id"]), "user_id": UUID(user.id)}
                session.add(Ban(**of_user, banned_by=UUID(alice.id), at=now()))
                session.add(Mute(**of_user, muted_by=UUID(alice.id), until=now()))
            await session.commit()
        await database.close()

        await service.user_event(deleted(leaver))

        lines = (await everything_in(service.database_url)).splitlines()
        tables = ("members", "bans", "mutes", "joinings")
        left = [line for line in lines if line.startswith(tables) and UUID(leaver.id).hex in line]
        assert left == []
        assert len([line for line in lines if line.startswith(("bans", "mutes"))]) == 2

    async def test_leaves_a_direct_room_to_the_other(self, service: ChatService, alice: User, leaver: User) -> None:
        room = ok(await leaver.post("/rooms/direct", {"user_id": alice.id}), 201)
        ok(await leaver.send(room["id"], "our secret"), 201)

        await service.user_event(deleted(leaver))

        assert (await alice.room(room["id"]))["member_count"] == 1
        assert room["id"] in [one["id"] for one in ok(await alice.get("/rooms"))["items"]]
        (message,) = ok(await alice.get(f"/rooms/{room['id']}/messages"))["items"]
        assert (message["text"], message["sender"]["display_name"]) == ("our secret", DELETED_DISPLAY_NAME)
        problem(await alice.post("/rooms/direct", {"user_id": leaver.id}), 404, "not_found")
