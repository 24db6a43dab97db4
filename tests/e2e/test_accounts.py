"""Registration, the own account, other users, and whether a name is free."""

import asyncio
import secrets
import time
from collections.abc import Callable

import httpx
import pytest

from tests.support.client import User, login, new_credentials, post_json
from tests.support.eventually import eventually
from tests.support.factories import Connect, CreateUser, Measured
from tests.support.shapes import Json, assert_time, assert_uuid7, invalid_request, ok, problem

OWN_FIELDS = {"id", "email", "username", "display_name", "created_at"}


async def is_available(http: httpx.AsyncClient, **name: str) -> bool:
    answer = ok(await http.post("/api/v1/users/availability", json=name))
    assert answer.keys() == {"available"}
    available: bool = answer["available"]
    return available


class TestRegistration:
    async def test_answers_with_the_own_user_and_never_with_the_password(self, http: httpx.AsyncClient) -> None:
        credentials = new_credentials()

        own = ok(await http.post("/api/v1/users", json=credentials), 201)

        assert own.keys() >= OWN_FIELDS
        assert_uuid7(own["id"])
        assert_time(own["created_at"])
        assert {name: own[name] for name in ("email", "username", "display_name")} == {
            name: credentials[name] for name in ("email", "username", "display_name")
        }
        assert not any("password" in name for name in own)

    async def test_needs_no_display_name(self, http: httpx.AsyncClient) -> None:
        credentials = new_credentials()
        del credentials["display_name"]

        own = ok(await http.post("/api/v1/users", json=credentials), 201)

        assert own["display_name"] == credentials["username"]

    @pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
    async def test_of_a_taken_email_is_refused_however_it_is_capitalised(
        self, http: httpx.AsyncClient, alice: User, change: Callable[[str], str]
    ) -> None:
        response = await http.post("/api/v1/users", json={**new_credentials(), "email": change(alice.account.email)})

        problem(response, 409, "email_taken")

    @pytest.mark.parametrize("change", [str.lower, str.upper])
    async def test_of_a_taken_username_is_refused_however_it_is_capitalised(
        self, http: httpx.AsyncClient, alice: User, change: Callable[[str], str]
    ) -> None:
        response = await http.post(
            "/api/v1/users", json={**new_credentials(), "username": change(alice.account.username)}
        )

        problem(response, 409, "username_taken")

    async def test_of_one_email_by_many_at_once_succeeds_exactly_once(self, http: httpx.AsyncClient) -> None:
        email = f"{secrets.token_hex(8)}@example.com"

        responses = await asyncio.gather(
            *(http.post("/api/v1/users", json={**new_credentials(), "email": email}) for _ in range(4))
        )

        assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "email_taken")

    async def test_of_one_username_by_many_at_once_succeeds_exactly_once(self, http: httpx.AsyncClient) -> None:
        username = f"u{secrets.token_hex(8)}"

        responses = await asyncio.gather(
            *(http.post("/api/v1/users", json={**new_credentials(), "username": username}) for _ in range(4))
        )

        assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "username_taken")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            pytest.param("email", "a@b", id="email-without-a-domain"),
            pytest.param("email", "nobody", id="email-without-at"),
            pytest.param("email", "", id="empty-email"),
            pytest.param("email", f"{'a' * 300}@example.com", id="long-email"),
            pytest.param("email", "a\u200bb@example.com", id="email-with-zero-width-space"),
            pytest.param("email", ["a@example.com"], id="email-that-is-a-list"),
            pytest.param("username", "", id="empty-username"),
            pytest.param("username", "a@example.com", id="username-like-an-email"),
            pytest.param("username", "a b", id="username-with-space"),
            pytest.param("username", "ab\u200bcd", id="username-with-zero-width-space"),
            pytest.param("username", "u" * 300, id="long-username"),
            pytest.param("username", None, id="username-null"),
            pytest.param("password", "1", id="password-of-1-character"),
            pytest.param("password", "p" * 10_000, id="password-of-10000-characters"),
            pytest.param("password", 12345678901234, id="password-that-is-a-number"),
            pytest.param("display_name", "Ann\u200b", id="display-name-with-zero-width-space"),
            pytest.param("display_name", "\u202egro.elpmaxe", id="display-name-with-right-to-left-override"),
            pytest.param("display_name", "Ann\u200fBob", id="display-name-with-right-to-left-mark"),
            pytest.param("display_name", "   ", id="blank-display-name"),
            pytest.param("display_name", "d" * 1000, id="long-display-name"),
            pytest.param("display_name", "Ann\x00", id="display-name-with-nul"),
            *(
                pytest.param(field, "half a pair: \ud800", id=f"{field}-with-lone-surrogate")
                for field in ("email", "username", "display_name")
            ),
        ],
    )
    async def test_with_a_bad_field_is_refused_names_it_and_leaves_nothing(
        self, http: httpx.AsyncClient, field: str, value: object
    ) -> None:
        credentials = new_credentials()

        errors = invalid_request(await post_json(http, "/api/v1/users", {**credentials, field: value}))

        assert any(field in error["loc"] for error in errors)
        for name in {"email", "username"} - {field}:
            assert await is_available(http, **{name: credentials[name]})

    @pytest.mark.parametrize("field", ["email", "username", "password"])
    async def test_without_a_required_field_is_refused(self, http: httpx.AsyncClient, field: str) -> None:
        credentials = new_credentials()
        del credentials[field]

        errors = invalid_request(await http.post("/api/v1/users", json=credentials))

        assert [error["loc"] for error in errors] == [["body", field]]

    async def test_with_names_in_any_script_is_kept_as_written(self, http: httpx.AsyncClient) -> None:
        name = "Ζωή 王 עברית Åsa 🎈"

        own = ok(await http.post("/api/v1/users", json={**new_credentials(), "display_name": name}), 201)

        assert own["display_name"] == name


class TestAvailability:
    async def test_a_free_email_and_a_free_username_are_available(self, http: httpx.AsyncClient) -> None:
        credentials = new_credentials()

        assert await is_available(http, email=credentials["email"])
        assert await is_available(http, username=credentials["username"])

    async def test_a_taken_username_is_not_available(self, http: httpx.AsyncClient, alice: User) -> None:
        assert not await is_available(http, username=alice.account.username)
        assert not await is_available(http, username=alice.account.username.upper())

    async def test_a_registered_email_is_unavailable_within_a_moment_and_stays_so(
        self, http: httpx.AsyncClient, measured: Measured
    ) -> None:
        settled: list[float] = []
        for _ in range(10):
            credentials = new_credentials()
            ok(await http.post("/api/v1/users", json=credentials), 201)
            registered = time.monotonic()

            async def is_taken(email: str = credentials["email"]) -> bool:
                return not await is_available(http, email=email)

            await eventually(is_taken, within=2, every=0.005)
            settled.append(time.monotonic() - registered)
            for _ in range(10):
                assert await is_taken()
                assert await is_taken(credentials["email"].upper())

        measured(f"registration until unavailable: {sorted(settled)[5] * 1000:.0f} ms (median of 10)")

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param({}, id="neither"),
            pytest.param({"email": "a@example.com", "username": "abcdef"}, id="both"),
            pytest.param({"email": "a@b"}, id="not-an-email"),
            pytest.param({"username": 1}, id="not-text"),
        ],
    )
    async def test_is_asked_of_exactly_one_name(self, http: httpx.AsyncClient, body: Json) -> None:
        invalid_request(await http.post("/api/v1/users/availability", json=body))


class TestOwnAccount:
    async def test_is_shown_to_oneself(self, alice: User) -> None:
        own = ok(await alice.get("/users/me"))

        assert own.keys() >= OWN_FIELDS
        assert own["id"] == alice.id
        assert own["email"] == alice.account.email

    async def test_can_be_given_another_display_name(self, create_user: CreateUser) -> None:
        user = await create_user()

        changed = ok(await user.patch("/users/me", {"display_name": "Zoë"}))

        assert changed["display_name"] == "Zoë"
        assert ok(await user.get("/users/me")) == changed

    async def test_keeps_its_name_when_the_new_one_is_not_allowed(self, alice: User) -> None:
        invalid_request(await alice.patch("/users/me", {"display_name": "\u202e"}))

        assert ok(await alice.get("/users/me"))["display_name"] == alice.account.display_name

    async def test_a_new_name_reaches_the_members_list_of_every_room(self, create_user: CreateUser) -> None:
        user = await create_user()
        room = await user.create_room()

        ok(await user.patch("/users/me", {"display_name": "Renamed"}))

        async def is_renamed() -> bool:
            members = ok(await user.get(f"/rooms/{room['id']}/members"))["items"]
            return [member["display_name"] for member in members] == ["Renamed"]

        await eventually(is_renamed)

    async def test_is_not_deleted_without_the_right_password(self, alice: User) -> None:
        problem(await alice.delete("/users/me", {"password": "not the right one"}), 403, "wrong_password")

        ok(await alice.get("/users/me"))

    async def test_is_gone_once_deleted_and_its_sockets_are_closed(
        self, create_user: CreateUser, connect: Connect, http: httpx.AsyncClient, alice: User
    ) -> None:
        user = await create_user()
        socket = await connect(user)

        response = await user.delete("/users/me", {"password": user.account.password})

        assert response.status_code == 204
        assert await socket.close_code() == 4003
        problem(await user.get("/users/me"), 401, "invalid_token")
        problem(await login(http, user.account.username), 401, "invalid_credentials")
        refreshed = await http.post("/api/v1/auth/refresh", json={"refresh_token": user.account.refresh_token})
        problem(refreshed, 401, "invalid_token")
        problem(await alice.get(f"/users/{user.id}"), 404, "not_found")

    async def test_is_shown_to_nobody_without_a_token(self, http: httpx.AsyncClient) -> None:
        response = await http.get("/api/v1/users/me")

        problem(response, 401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("Bearer")


class TestOtherUsers:
    async def test_show_their_names_and_nothing_else(self, alice: User, bob: User) -> None:
        assert ok(await alice.get(f"/users/{bob.id}")) == {
            "id": bob.id,
            "username": bob.account.username,
            "display_name": bob.account.display_name,
        }

    async def test_that_do_not_exist_are_not_found(self, alice: User) -> None:
        problem(await alice.get("/users/01890000-0000-7000-8000-000000000000"), 404, "not_found")

    async def test_are_found_by_the_beginning_of_their_username(self, alice: User, bob: User) -> None:
        found = ok(await alice.get("/users", q=bob.account.username[:-2]))

        assert found.keys() == {"items", "next"}
        assert bob.id in [user["id"] for user in found["items"]]
        assert all(user.keys() == {"id", "username", "display_name"} for user in found["items"])

    async def test_are_never_found_by_their_email(self, alice: User, bob: User) -> None:
        assert ok(await alice.get("/users", q=bob.account.email))["items"] == []

    @pytest.mark.parametrize("query", ["%", "_", "'", "\\", '"', "%25", "🛸", "a" * 300])
    async def test_are_searched_for_by_text_not_by_pattern(self, alice: User, query: str) -> None:
        response = await alice.get("/users", q=query)

        if response.status_code == 422:
            invalid_request(response)
        else:
            assert ok(response)["items"] == []
