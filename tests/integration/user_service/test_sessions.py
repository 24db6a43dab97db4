import asyncio
from collections.abc import Callable
from uuid import uuid4

import httpx
import jwt
import pytest

from contracts.messages import SessionRevoked
from tests.support import tokens
from tests.support.client import PASSWORD, User, login, new_credentials
from tests.support.shapes import Json, invalid_request, ok, problem
from tests.support.user_service import SERVICE_TOKEN, SIGNING_KEY, UserService


async def refresh(http: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})


async def active(service: UserService, *session_ids: str) -> list[str]:
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    body = {"session_ids": list(session_ids)}
    answer = ok(await service.http.post("/internal/v1/sessions/active", json=body, headers=headers))
    found: list[str] = answer["active"]
    return found


async def show_own_user(http: httpx.AsyncClient, access_token: str) -> httpx.Response:
    return await http.get("/api/v1/users/me", headers={"Authorization": f"Bearer {access_token}"})


class TestLogin:
    @pytest.mark.parametrize("name", ["email", "username"])
    @pytest.mark.parametrize("change", [str.lower, str.upper])
    async def test_takes_an_email_or_a_username_in_any_case(
        self, http: httpx.AsyncClient, alice: User, name: str, change: Callable[[str], str]
    ) -> None:
        response = await login(http, change(getattr(alice.account, name)))

        answer = ok(response)
        assert answer.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert (answer["token_type"], answer["expires_in"]) == ("bearer", 900)
        assert response.headers["Cache-Control"] == "no-store"

    async def test_takes_a_password_typed_in_either_normal_form(self, http: httpx.AsyncClient) -> None:
        credentials = {**new_credentials(), "password": "caf\u00e9 caf\u00e9"}
        ok(await http.post("/api/v1/users", json=credentials), 201)

        ok(await login(http, credentials["username"], "cafe\u0301 cafe\u0301"))

    @pytest.mark.parametrize("password", ["wrong", PASSWORD + " ", "p" * 10_000, "\x00"])
    async def test_with_a_wrong_password_is_refused(self, http: httpx.AsyncClient, alice: User, password: str) -> None:
        problem(await login(http, alice.account.username, password), 401, "invalid_credentials")

    @pytest.mark.parametrize("name", ["nobody", "nobody@example.com", "a@b", "x", "no\x00body", "%", "@"])
    async def test_to_no_account_is_refused_like_a_wrong_password(
        self, http: httpx.AsyncClient, alice: User, name: str
    ) -> None:
        unknown = problem(await login(http, name), 401, "invalid_credentials")

        wrong = problem(await login(http, alice.account.username, "wrong"), 401, "invalid_credentials")
        assert unknown == wrong

    async def test_without_a_form_is_refused(self, http: httpx.AsyncClient, alice: User) -> None:
        body = {"username": alice.account.username, "password": PASSWORD}

        invalid_request(await http.post("/api/v1/auth/token", json=body))


class TestAnAccessToken:
    async def test_names_its_bearer_and_is_verified_with_the_published_keys_alone(
        self, http: httpx.AsyncClient, alice: User
    ) -> None:
        (jwk,) = ok(await http.get("/.well-known/jwks.json"))["keys"]

        token = jwt.PyJWK(jwk)
        claims = jwt.decode(alice.account.access_token, token, algorithms=["EdDSA"], audience="parley", issuer="parley")

        assert jwt.get_unverified_header(alice.account.access_token)["kid"] == jwk["kid"]
        assert "d" not in jwk
        assert claims.keys() == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "preferred_username", "name"}
        assert claims["sub"] == alice.id
        assert claims["preferred_username"] == alice.account.username
        assert claims["name"] == alice.account.display_name
        assert claims["exp"] - claims["iat"] == 900

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(tokens.without_signature, id="alg-none"),
            pytest.param(tokens.signed_by_a_stranger, id="signed-by-a-stranger"),
            pytest.param(lambda token: tokens.signed_with_the_public_key(token, b"key" * 20), id="HS256"),
            pytest.param(lambda token: tokens.with_other_claims(token, name="Mallory"), id="other-claims"),
            pytest.param(lambda token: tokens.expiring(token, SIGNING_KEY, in_s=-1), id="expired"),
            pytest.param(lambda token: token[:-10], id="cut-short"),
            pytest.param(lambda _: "", id="empty"),
            pytest.param(lambda _: "....", id="dots"),
        ],
    )
    async def test_that_is_not_a_true_one_is_refused(
        self, http: httpx.AsyncClient, alice: User, spoil: Callable[[str], str]
    ) -> None:
        problem(await show_own_user(http, spoil(alice.account.access_token)), 401, "invalid_token")

    async def test_is_needed(self, http: httpx.AsyncClient) -> None:
        response = await http.get("/api/v1/users/me")

        problem(response, 401, "invalid_token")
        assert response.headers["WWW-Authenticate"] == "Bearer"


class TestARefreshToken:
    async def test_is_exchanged_for_new_tokens_of_the_same_session(self, http: httpx.AsyncClient, alice: User) -> None:
        renewed = ok(await refresh(http, alice.account.refresh_token))

        before, after = (tokens.claims_of(t) for t in (alice.account.access_token, renewed["access_token"]))
        assert after["sid"] == before["sid"]
        assert after["jti"] != before["jti"]
        assert renewed["refresh_token"] != alice.account.refresh_token
        ok(await show_own_user(http, renewed["access_token"]))
        ok(await refresh(http, renewed["refresh_token"]))

    async def test_is_nowhere_in_the_database(self, service: UserService, alice: User) -> None:
        rows = await service.rows("refresh_tokens") + await service.rows("sessions") + await service.rows("outbox")

        assert rows
        assert not any(alice.account.refresh_token in str(row) for row in rows)

    async def test_that_was_spent_ends_its_session_and_no_other(self, service: UserService, alice: User) -> None:
        other = await alice.another_session()
        renewed = ok(await refresh(service.http, alice.account.refresh_token))

        problem(await refresh(service.http, alice.account.refresh_token), 401, "invalid_token")

        problem(await refresh(service.http, renewed["refresh_token"]), 401, "invalid_token")
        problem(await show_own_user(service.http, renewed["access_token"]), 401, "invalid_token")
        (revoked,) = await service.hear(SessionRevoked)
        assert str(revoked.session_id) == tokens.claims_of(alice.account.access_token)["sid"]
        assert (str(revoked.user_id), revoked.reason) == (alice.id, "token_reuse")
        ok(await show_own_user(service.http, other.account.access_token))

    async def test_used_twice_at_once_renews_once_and_then_ends_the_session(
        self, service: UserService, alice: User
    ) -> None:
        responses = await asyncio.gather(*(refresh(service.http, alice.account.refresh_token) for _ in range(5)))

        assert sorted(response.status_code for response in responses) == [200, 401, 401, 401, 401]
        (renewed,) = [response.json() for response in responses if response.is_success]
        problem(await refresh(service.http, renewed["refresh_token"]), 401, "invalid_token")
        assert len(await service.hear(SessionRevoked)) == 1
        assert await service.rows("refresh_tokens") == []

    async def test_used_beside_a_spent_one_leaves_no_session(self, service: UserService, alice: User) -> None:
        for _ in range(5):
            user = await alice.another_session()
            renewed = ok(await refresh(service.http, user.account.refresh_token))

            _, reuse = await asyncio.gather(
                refresh(service.http, renewed["refresh_token"]), refresh(service.http, user.account.refresh_token)
            )

            problem(reuse, 401, "invalid_token")
            problem(await show_own_user(service.http, renewed["access_token"]), 401, "invalid_token")

    @pytest.mark.parametrize("token", ["", "unknown", "\x00", "💬", "x" * 100_000])
    async def test_that_is_unknown_is_refused(self, http: httpx.AsyncClient, token: str) -> None:
        problem(await refresh(http, token), 401, "invalid_token")

    @pytest.mark.parametrize("body", [{}, {"refresh_token": None}, {"refresh_token": "x", "more": 1}, []])
    async def test_must_come_in_the_documented_form(self, http: httpx.AsyncClient, body: Json) -> None:
        invalid_request(await http.post("/api/v1/auth/refresh", json=body))


class TestActiveSessions:
    async def test_are_told_from_those_that_have_ended(self, service: UserService, alice: User) -> None:
        others = [await alice.another_session() for _ in range(2)]
        ids = [tokens.claims_of(one.account.access_token)["sid"] for one in (alice, *others)]
        await others[0].logout()

        assert sorted(await active(service, ids[2], ids[1], ids[0], str(uuid4()))) == sorted([ids[0], ids[2]])

    async def test_stay_active_through_a_refresh_and_end_with_the_account(
        self, service: UserService, alice: User
    ) -> None:
        session_id = tokens.claims_of(alice.account.access_token)["sid"]
        ok(await refresh(service.http, alice.account.refresh_token))
        assert await active(service, session_id) == [session_id]

        await alice.delete("/users/me", {"password": PASSWORD})

        assert await active(service, session_id) == []

    async def test_are_told_to_services_alone(self, service: UserService, alice: User) -> None:
        body = {"session_ids": [str(uuid4())]}
        headers = {"Authorization": f"Bearer {alice.account.access_token}"}

        problem(await service.http.post("/internal/v1/sessions/active", json=body), 401, "invalid_token")
        problem(
            await service.http.post("/internal/v1/sessions/active", json=body, headers=headers), 401, "invalid_token"
        )

    @pytest.mark.parametrize("session_ids", [[], ["nonsense"], [str(uuid4())] * 1001])
    async def test_are_asked_about_up_to_a_thousand_at_once(self, service: UserService, session_ids: list[str]) -> None:
        headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}

        response = await service.http.post(
            "/internal/v1/sessions/active", json={"session_ids": session_ids}, headers=headers
        )

        invalid_request(response)


class TestLogout:
    async def test_ends_the_session_and_tells_the_gateways(self, service: UserService, alice: User) -> None:
        await alice.logout()

        problem(await refresh(service.http, alice.account.refresh_token), 401, "invalid_token")
        problem(await show_own_user(service.http, alice.account.access_token), 401, "invalid_token")
        (revoked,) = await service.hear(SessionRevoked)
        assert str(revoked.session_id) == tokens.claims_of(alice.account.access_token)["sid"]
        assert revoked.reason == "logout"

    async def test_of_a_session_that_has_ended_says_nothing_new(self, service: UserService, alice: User) -> None:
        await alice.logout()
        await service.hear(SessionRevoked)

        await alice.logout()

        assert await service.rows("outbox") == []
        assert len(service.heard(SessionRevoked)) == 1

    async def test_with_an_unknown_token_has_nothing_to_do(self, http: httpx.AsyncClient) -> None:
        response = await http.post("/api/v1/auth/logout", json={"refresh_token": "unknown"})

        assert response.status_code == 204
