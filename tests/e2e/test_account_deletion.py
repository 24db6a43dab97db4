"""A deleted account: its sockets, its rooms, its names, and whoever comes after it."""

import asyncio
import time

import httpx
import pytest

from tests.support.client import User, new_credentials, new_http_client, open_socket
from tests.support.eventually import eventually
from tests.support.factories import Connect, CreateUser, Measured
from tests.support.product import Product, Standalone
from tests.support.shapes import Json, ok, problem

DELETED = {"username": "deleted", "display_name": "Deleted user"}


async def delete_account(user: User) -> None:
    response = await user.delete("/users/me", {"password": user.account.password})
    assert response.status_code == 204, response.text


async def until_left(asking: User, room: Json, user: User) -> None:
    """Waits until chat_service has heard of it."""

    async def left() -> bool:
        members = ok(await asking.get(f"/rooms/{room['id']}/members"))["items"]
        return user.id not in [member["user_id"] for member in members]

    await eventually(left)


async def history(asking: User, room: Json) -> list[Json]:
    messages: list[Json] = ok(await asking.get(f"/rooms/{room['id']}/messages"))["items"]
    return messages


async def joinings(asking: User, room: Json, user: User) -> list[Json]:
    return [
        event["data"]
        for event in await asking.log(room["id"])
        if event["kind"] == "member.joined" and event["data"]["user_id"] == user.id
    ]


class TestSockets:
    async def test_of_every_session_on_every_gateway_are_closed_with_4003(
        self, create_user: CreateUser, connect: Connect, alice: User, measured: Measured
    ) -> None:
        user = await create_user()
        other = await user.another_session()
        sockets = [await connect(session) for session in (user, other) * 3]  # spread over all gateways
        bystander = await connect(alice)

        started = time.monotonic()
        await delete_account(user)

        assert [await socket.close_code() for socket in sockets] == [4003] * 6
        measured(f"account deleted: 6 sockets closed {time.monotonic() - started:.2f} s after the request")
        assert not bystander.closed

    async def test_do_not_come_back_with_a_token_that_is_still_good(
        self, create_user: CreateUser, open_raw: Connect
    ) -> None:
        user = await create_user()
        await delete_account(user)

        socket = await open_raw()
        await socket.send_raw(f'{{"type": "hello", "token": "{user.account.access_token}"}}')

        assert await socket.close_code() == 4003


class TestRooms:
    async def test_see_them_leave_and_their_names_go(
        self, create_user: CreateUser, connect: Connect, alice: User
    ) -> None:
        user = await create_user()
        joined, added, left = [await alice.create_room("public") for _ in range(3)]
        for room in (joined, left):
            ok(await user.post(f"/rooms/{room['id']}/join"))
        await alice.add(added["id"], user)
        assert (await user.post(f"/rooms/{left['id']}/leave")).is_success
        ok(await user.send(joined["id"], "remember me"), 201)
        watching = await connect(alice)

        await delete_account(user)

        for room in (joined, added):
            event = await watching.expect("event", room_id=room["id"], kind="member.left")
            assert (event["actor_id"], event["data"]) == (user.id, {"user_id": user.id})

        async def names_are_gone() -> bool:
            found = [joining for room in (joined, added, left) for joining in await joinings(alice, room, user)]
            return len(found) == 3 and all(DELETED.items() <= joining.items() for joining in found)

        await eventually(names_are_gone)  # in pieces, after the memberships
        (message,) = await history(alice, joined)
        assert (message["text"], message["sender_id"]) == ("remember me", user.id)
        assert message["sender"] == {"id": user.id, **DELETED}
        problem(await alice.get(f"/users/{user.id}"), 404, "not_found")

    async def test_that_they_owned_pass_on(self, create_user: CreateUser, alice: User, bob: User) -> None:
        user = await create_user()
        room = await user.create_room("private")
        await user.add(room["id"], alice)
        await user.add(room["id"], bob, "admin")

        await delete_account(user)

        await until_left(alice, room, user)
        assert (await bob.room(room["id"]))["role"] == "owner"
        assert (await alice.room(room["id"]))["role"] == "member"

    async def test_of_two_stay_readable_for_the_other_and_are_not_opened_again(
        self, create_user: CreateUser, alice: User
    ) -> None:
        user = await create_user()
        room = ok(await user.post("/rooms/direct", {"user_id": alice.id}), 201)
        ok(await user.send(room["id"], "between us"), 201)

        await delete_account(user)

        await until_left(alice, room, user)
        (message,) = await history(alice, room)
        assert (message["text"], message["sender"]) == ("between us", {"id": user.id, **DELETED})
        assert (await alice.room(room["id"]))["member_count"] == 1
        problem(await alice.post("/rooms/direct", {"user_id": user.id}), 404, "not_found")


class TestWhoeverComesAfter:
    async def test_may_have_the_email_and_the_username_at_once_and_is_nobodys_old_self(
        self, http: httpx.AsyncClient, alice: User
    ) -> None:
        credentials = new_credentials()
        user = await User.register(http, credentials)
        room = await alice.create_room("private")
        await alice.add(room["id"], user)
        ok(await user.send(room["id"], "the first one"), 201)
        direct = ok(await user.post("/rooms/direct", {"user_id": alice.id}), 201)

        await delete_account(user)
        for name in ("email", "username"):
            question = {name: credentials[name]}
            assert ok(await http.post("/api/v1/users/availability", json=question)) == {"available": True}
        again = await User.register(http, credentials)

        assert again.id != user.id
        assert ok(await again.get("/rooms"))["items"] == []
        problem(await again.get(f"/rooms/{room['id']}/messages"), 403, "not_a_member")
        await until_left(alice, room, user)
        (message,) = await history(alice, room)
        assert message["sender"] == {"id": user.id, **DELETED}
        anew = ok(await again.post("/rooms/direct", {"user_id": alice.id}), 201)
        assert anew["id"] != direct["id"]
        assert await history(again, anew) == []


class TestTraces:
    async def test_are_in_no_log_of_any_service(self, product: Product, create_user: CreateUser, alice: User) -> None:
        user = await create_user()
        room = await alice.create_room("public")
        ok(await user.post(f"/rooms/{room['id']}/join"))

        await delete_account(user)

        await until_left(alice, room, user)
        log = product.logs()
        assert user.account.email not in log
        assert user.account.username not in log

    @pytest.mark.standalone
    async def test_are_in_no_byte_of_what_the_single_process_leaves(self, own_product: Standalone) -> None:
        marks = ("unmistakable.address@example.com", "unmistakable_name", "unmistakable person")
        async with new_http_client(own_product.base_url) as http:
            others = [await User.register(http) for _ in range(2)]
            user = await User.register(
                http, {**new_credentials(), "email": marks[0], "username": marks[1], "display_name": marks[2]}
            )
            ok(await user.patch("/users/me", {"display_name": f"{marks[2]} too"}))
            room, left = [await others[0].create_room("public") for _ in range(2)]
            for one in (user, others[1]):
                ok(await one.post(f"/rooms/{room['id']}/join"))
                ok(await one.post(f"/rooms/{left['id']}/join"))
                assert (await one.post(f"/rooms/{left['id']}/leave")).is_success
            ok(await user.post("/rooms/direct", {"user_id": others[0].id}), 201)
            socket = await open_socket(own_product.base_url)
            await socket.hello(user.account.access_token)
            await socket.post(room["id"], "remember me")

            await delete_account(user)

            assert await socket.close_code() == 4003
            await socket.close()
            await until_left(others[0], room, user)
        await asyncio.to_thread(own_product.stop)

        assert not list(own_product.folder.rglob("*-wal"))
        files = {path: path.read_bytes().lower() for path in own_product.folder.rglob("*") if path.is_file()}
        assert {"user_service.db", "chat_service.db"} <= {path.name for path in files}
        kept = "\n".join(content.decode("latin-1") for content in files.values())
        assert others[1].account.username in kept  # of those who stay there is something to be found
        for mark in marks:
            assert [path.name for path, content in files.items() if mark.encode() in content] == []
