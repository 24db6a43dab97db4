"""Logging in, access tokens, refresh tokens and their rotation, logging out."""

import base64
from collections.abc import Callable

import httpx
import jwt
import pytest

from tests.support import tokens
from tests.support.client import PASSWORD, User, login
from tests.support.factories import Connect, CreateUser
from tests.support.product import Product
from tests.support.shapes import Json, invalid_request, ok, problem

TOKEN_FIELDS = {"access_token", "token_type", "expires_in", "refresh_token"}


async def refresh(http: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})


class TestLogin:
    @pytest.mark.parametrize(
        "name_of",
        [
            pytest.param(lambda user: user.account.email, id="email"),
            pytest.param(lambda user: user.account.email.upper(), id="email-in-capitals"),
            pytest.param(lambda user: user.account.username, id="username"),
        ],
    )
    async def test_is_by_email_or_username(
        self, http: httpx.AsyncClient, alice: User, name_of: Callable[[User], str]
    ) -> None:
        response = await login(http, name_of(alice))

        granted = ok(response)
        assert granted.keys() >= TOKEN_FIELDS
        assert granted["token_type"] == "bearer"
        assert granted["expires_in"] == 900
        assert response.headers["cache-control"] == "no-store"  # RFC 6749, section 5.1

    @pytest.mark.parametrize("password", ["wrong", "", PASSWORD + " ", "p" * 10_000, "p\x00"])
    async def test_with_a_wrong_password_is_refused(self, http: httpx.AsyncClient, alice: User, password: str) -> None:
        response = await login(http, alice.account.username, password)

        if password == "":
            assert response.status_code in (401, 422)
        else:
            problem(response, 401, "invalid_credentials")

    @pytest.mark.parametrize("name", ["nobody-of-that-name", "nobody@example.com", "a@b", "x" * 10_000, "\x00"])
    async def test_of_somebody_unknown_is_refused_in_the_same_words(
        self, http: httpx.AsyncClient, alice: User, name: str
    ) -> None:
        unknown = problem(await login(http, name), 401, "invalid_credentials")
        wrong = problem(await login(http, alice.account.username, "wrong"), 401, "invalid_credentials")

        assert unknown == wrong

    async def test_is_a_form(self, http: httpx.AsyncClient, alice: User) -> None:
        body = {"username": alice.account.username, "password": PASSWORD}

        invalid_request(await http.post("/api/v1/auth/token", json=body))


class TestAccessToken:
    async def test_can_be_verified_offline_by_the_published_keys(self, http: httpx.AsyncClient, alice: User) -> None:
        published = ok(await http.get("/.well-known/jwks.json"))
        token = alice.account.access_token
        key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(token)["kid"]]

        claims = jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False})

        assert claims["sub"] == alice.id
        assert claims["exp"] - claims["iat"] == 900

    async def test_says_nothing_of_the_email(self, alice: User) -> None:
        assert alice.account.email not in str(tokens.claims_of(alice.account.access_token))

    async def test_keys_are_published_without_their_private_half(self, http: httpx.AsyncClient) -> None:
        (key,) = ok(await http.get("/.well-known/jwks.json"))["keys"]

        assert key["kty"] == "OKP"
        assert key["crv"] == "Ed25519"
        assert "d" not in key

    @pytest.mark.parametrize("path", ["/users/me", "/rooms"])
    @pytest.mark.parametrize(
        "forge",
        [
            pytest.param(tokens.without_signature, id="alg-none"),
            pytest.param(tokens.signed_by_a_stranger, id="other-key"),
            pytest.param(lambda token: tokens.with_other_claims(token, exp=2**40), id="other-claims"),
            pytest.param(lambda token: token[:-4] + "AAAA", id="other-signature"),
            pytest.param(lambda token: token.rsplit(".", 1)[0], id="two-parts"),
        ],
    )
    async def test_is_refused_when_it_is_forged(self, alice: User, path: str, forge: Callable[[str], str]) -> None:
        forged = forge(alice.account.access_token)

        response = await alice.request("GET", path, headers={"Authorization": f"Bearer {forged}"})

        problem(response, 401, "invalid_token")

    @pytest.mark.parametrize("path", ["/users/me", "/rooms"])
    @pytest.mark.parametrize("token", [b"a", b"a.b.c", b"a" * 8_000, b"%00.%FF.\xff", b"...", b"e30.e30.e30"])
    async def test_is_refused_when_it_is_none(self, http: httpx.AsyncClient, path: str, token: bytes) -> None:
        response = await http.get(f"/api/v1{path}", headers=[(b"Authorization", b"Bearer " + token)])

        problem(response, 401, "invalid_token")

    async def test_is_refused_under_hs256_with_the_public_key(self, http: httpx.AsyncClient, alice: User) -> None:
        (key,) = ok(await http.get("/.well-known/jwks.json"))["keys"]
        public = base64.urlsafe_b64decode(key["x"] + "=")
        forged = tokens.signed_with_the_public_key(alice.account.access_token, public)

        response = await alice.request("GET", "/users/me", headers={"Authorization": f"Bearer {forged}"})

        problem(response, 401, "invalid_token")

    @pytest.mark.parametrize("path", ["/users/me", "/rooms"])
    async def test_is_refused_once_expired(self, alice: User, product: Product, path: str) -> None:
        expired = tokens.expiring(alice.account.access_token, product.signing_key, in_s=-1)

        response = await alice.request("GET", path, headers={"Authorization": f"Bearer {expired}"})

        problem(response, 401, "invalid_token")

    async def test_is_not_taken_from_the_address(self, http: httpx.AsyncClient, alice: User) -> None:
        response = await http.get("/api/v1/users/me", params={"access_token": alice.account.access_token})

        problem(response, 401, "invalid_token")


class TestRefresh:
    async def test_gives_new_tokens_of_the_same_user(self, http: httpx.AsyncClient, create_user: CreateUser) -> None:
        user = await create_user()

        granted = ok(await refresh(http, user.account.refresh_token))

        assert granted.keys() >= TOKEN_FIELDS
        assert granted["refresh_token"] != user.account.refresh_token
        assert tokens.claims_of(granted["access_token"])["sub"] == user.id
        own = await user.request("GET", "/users/me", headers={"Authorization": f"Bearer {granted['access_token']}"})
        assert ok(own)["id"] == user.id

    async def test_can_go_on_for_ever(self, http: httpx.AsyncClient, create_user: CreateUser) -> None:
        token = (await create_user()).account.refresh_token

        spent = set()
        for _ in range(5):
            spent.add(token)
            token = ok(await refresh(http, token))["refresh_token"]
            assert token not in spent

    async def test_with_a_spent_token_revokes_the_whole_family_and_closes_its_sockets(
        self, http: httpx.AsyncClient, create_user: CreateUser, connect: Connect
    ) -> None:
        user = await create_user()
        stolen = user.account.refresh_token
        socket = await connect(user)
        latest = ok(await refresh(http, stolen))["refresh_token"]

        problem(await refresh(http, stolen), 401, "invalid_token")

        problem(await refresh(http, latest), 401, "invalid_token")
        assert await socket.close_code() == 4003

    async def test_with_a_spent_token_leaves_other_sessions_alone(
        self, http: httpx.AsyncClient, create_user: CreateUser, connect: Connect
    ) -> None:
        user = await create_user()
        other = await user.another_session()
        socket = await connect(other)
        ok(await refresh(http, user.account.refresh_token))

        problem(await refresh(http, user.account.refresh_token), 401, "invalid_token")

        ok(await refresh(http, other.account.refresh_token))
        room = await other.create_room()
        await socket.expect("room_added")
        await socket.post(room["id"], "still here")

    @pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\x00", "eyJhbGciOiJub25lIn0.e30."])
    async def test_with_a_made_up_token_is_refused(self, http: httpx.AsyncClient, token: str) -> None:
        response = await refresh(http, token)

        assert response.status_code in (401, 422)
        problem(response, response.status_code, "invalid_token" if response.status_code == 401 else "invalid_request")

    async def test_takes_no_access_token(self, http: httpx.AsyncClient, alice: User) -> None:
        problem(await refresh(http, alice.account.access_token), 401, "invalid_token")


class TestLogout:
    async def test_ends_the_session_and_closes_its_sockets_and_no_others(
        self, http: httpx.AsyncClient, create_user: CreateUser, connect: Connect
    ) -> None:
        user = await create_user()
        other = await user.another_session()
        sockets = [await connect(user) for _ in range(3)]
        others = await connect(other)

        await user.logout()

        for socket in sockets:
            assert await socket.close_code() == 4003
        problem(await refresh(http, user.account.refresh_token), 401, "invalid_token")
        problem(await user.get("/users/me"), 401, "invalid_token")
        ok(await other.get("/users/me"))
        room = await other.create_room()
        await others.expect("room_added")
        await others.post(room["id"], "still here")

    async def test_can_be_repeated(self, create_user: CreateUser) -> None:
        user = await create_user()
        body: Json = {"refresh_token": user.account.refresh_token}
        first = await user.http.post("/api/v1/auth/logout", json=body)

        second = await user.http.post("/api/v1/auth/logout", json=body)

        assert (first.status_code, second.status_code) == (204, 204)

    async def test_keeps_the_session_from_connecting_again(
        self, create_user: CreateUser, connect: Connect, open_raw: Connect
    ) -> None:
        user = await create_user()
        socket = await connect(user)
        await user.logout()
        assert await socket.close_code() == 4003

        again = await open_raw()
        await again.send_raw(hello(user))

        assert await again.close_code() in (4001, 4003)


def hello(user: User) -> str:
    return f'{{"type": "hello", "token": "{user.account.access_token}"}}'
