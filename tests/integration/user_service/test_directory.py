from uuid import uuid4

import httpx
import pytest

from contracts.internal_http import UserView
from tests.support.client import PASSWORD, User
from tests.support.shapes import Json, invalid_request, ok, problem
from tests.support.user_service import SERVICE_TOKEN


async def register(http: httpx.AsyncClient, username: str, display_name: str) -> Json:
    body = {
        "email": f"{username}@example.com",
        "username": username,
        "password": PASSWORD,
        "display_name": display_name,
    }
    own: Json = ok(await http.post("/api/v1/users", json=body), 201)
    return own


class TestASearch:
    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("bo", ["Bob", "boss"]),
            ("BO", ["Bob", "boss"]),
            ("émi", ["e.zola"]),
            ("E\u0301MI", ["e.zola"]),
            ("ob", []),
            ("b_b", ["b_b"]),
            ("%", []),
            ("/", []),
        ],
    )
    async def test_finds_usernames_and_display_names_that_begin_so(
        self, http: httpx.AsyncClient, alice: User, prefix: str, found: list[str]
    ) -> None:
        for username, name in [("Bob", "Robert"), ("boss", "C"), ("b_b", "D"), ("bxb", "E"), ("e.zola", "Émile")]:
            await register(http, username, name)

        page = ok(await alice.get("/users", q=prefix))

        assert [user["username"] for user in page["items"]] == found
        assert page["next"] is None

    async def test_shows_what_is_public_and_nothing_more(self, alice: User) -> None:
        (item,) = ok(await alice.get("/users", q=alice.account.username))["items"]

        assert item == {
            "id": alice.id,
            "username": alice.account.username,
            "display_name": alice.account.display_name,
        }

    async def test_goes_on_where_the_page_before_ended(self, http: httpx.AsyncClient, alice: User) -> None:
        names = ["xa", "XB", "x-c", "x.d", "x_e"]
        for name in names:
            await register(http, f"{name}0", name)
        found: list[str] = []
        cursor: dict[str, str] = {}

        while True:
            page = ok(await alice.get("/users", q="x", limit=2, **cursor))
            found += [user["display_name"] for user in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert found == ["x-c", "x.d", "x_e", "xa", "XB"]

    async def test_without_a_prefix_finds_everybody(self, http: httpx.AsyncClient, alice: User) -> None:
        await register(http, "bob", "Bob")

        assert len(ok(await alice.get("/users"))["items"]) == 2

    @pytest.mark.parametrize(
        "params",
        [
            {"q": "a\x00"},
            {"q": "a" * 65},
            {"limit": "0"},
            {"limit": "101"},
            {"limit": "many"},
            {"cursor": "!"},
            {"cursor": "AAAA"},
            {"cursor": "\u20ac"},
        ],
    )
    async def test_in_a_bad_form_is_refused(self, alice: User, params: dict[str, str]) -> None:
        problem(await alice.get("/users", **params), 422, "invalid_request")

    async def test_needs_an_account(self, http: httpx.AsyncClient) -> None:
        problem(await http.get("/api/v1/users", params={"q": "a"}), 401, "invalid_token")


class TestAUser:
    async def test_is_shown_to_others_without_the_email(self, http: httpx.AsyncClient, alice: User) -> None:
        bob = await register(http, "bob", "Bob")

        shown = ok(await alice.get(f"/users/{bob['id']}"))

        assert shown == {"id": bob["id"], "username": "bob", "display_name": "Bob"}

    async def test_who_does_not_exist_is_not_found(self, alice: User) -> None:
        problem(await alice.get(f"/users/{uuid4()}"), 404, "not_found")
        invalid_request(await alice.get("/users/bob"))


class TestAnotherService:
    async def test_gets_the_version_with_the_names(self, http: httpx.AsyncClient, alice: User) -> None:
        await alice.patch("/users/me", {"display_name": "Alice II"})

        response = await _internal(http, alice.id, SERVICE_TOKEN)

        view = UserView.model_validate_json(response.content)
        assert (str(view.id), view.username, view.display_name, view.version) == (
            alice.id,
            alice.account.username,
            "Alice II",
            2,
        )

    async def test_is_told_of_a_user_who_does_not_exist(self, http: httpx.AsyncClient) -> None:
        problem(await _internal(http, str(uuid4()), SERVICE_TOKEN), 404, "not_found")

    async def test_must_be_of_this_deployment(self, http: httpx.AsyncClient, alice: User) -> None:
        for credential in ("", "wrong", alice.account.access_token):
            problem(await _internal(http, alice.id, credential), 401, "invalid_token")


async def _internal(http: httpx.AsyncClient, user_id: str, credential: str) -> httpx.Response:
    return await http.get(f"/internal/v1/users/{user_id}", headers={"Authorization": f"Bearer {credential}"})
