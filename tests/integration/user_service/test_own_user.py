import asyncio

import httpx
import pytest

from contracts.messages import SessionRevoked, UserDeleted, UserProfileChanged, UserRegistered
from tests.support.client import PASSWORD, User
from tests.support.dump import everything_in
from tests.support.eventually import eventually
from tests.support.shapes import Json, invalid_request, ok, problem
from tests.support.user_service import UserService


class TestAProfileChange:
    async def test_is_shown_and_told_to_the_other_services(self, service: UserService, alice: User) -> None:
        changed = ok(await alice.patch("/users/me", {"display_name": "Alice in Chains"}))

        assert changed["display_name"] == "Alice in Chains"
        assert ok(await alice.get("/users/me")) == changed
        (event,) = await service.hear(UserProfileChanged)
        assert (str(event.user_id), event.display_name, event.version) == (alice.id, "Alice in Chains", 2)
        assert event.username == alice.account.username

    async def test_counts_versions_without_a_gap_or_repeat(self, service: UserService, alice: User) -> None:
        names = [f"Alice {number}" for number in range(5)]

        await asyncio.gather(*(alice.patch("/users/me", {"display_name": name}) for name in names))

        events = await service.hear(UserProfileChanged, 5)
        assert [event.version for event in events] == [2, 3, 4, 5, 6]
        assert ok(await alice.get("/users/me"))["display_name"] == events[-1].display_name

    @pytest.mark.parametrize("body", [{}, {"display_name": None}, "same"])
    async def test_to_what_it_was_is_no_news(self, service: UserService, alice: User, body: Json | str) -> None:
        if body == "same":
            body = {"display_name": alice.account.display_name}
        own = ok(await alice.get("/users/me"))
        await service.hear(UserRegistered)

        assert ok(await alice.request("PATCH", "/users/me", json=body)) == own

        assert await service.rows("outbox") == []
        assert service.heard(UserProfileChanged) == []

    @pytest.mark.parametrize("body", [{"display_name": ""}, {"display_name": "a\u202eb"}, {"username": "mallory"}])
    async def test_in_a_bad_form_is_refused(self, alice: User, body: Json) -> None:
        invalid_request(await alice.patch("/users/me", body))


class TestADeletion:
    async def test_ends_the_account_and_every_session(self, service: UserService, alice: User) -> None:
        other = await alice.another_session()

        response = await alice.delete("/users/me", {"password": PASSWORD})

        assert (response.status_code, response.content) == (204, b"")
        for user in (alice, other):
            problem(await user.get("/users/me"), 401, "invalid_token")
            body = {"refresh_token": user.account.refresh_token}
            problem(await user.post("/auth/refresh", body), 401, "invalid_token")
        for table in ("users", "sessions", "refresh_tokens"):
            assert await service.rows(table) == []

    async def test_is_told_to_the_other_services(self, service: UserService, alice: User) -> None:
        (registered,) = await service.hear(UserRegistered)

        await alice.delete("/users/me", {"password": PASSWORD})

        (deleted,) = await service.hear(UserDeleted)
        assert (deleted.user_id, deleted.email_digest) == (registered.user_id, registered.email_digest)
        assert deleted.version > registered.version
        (revoked,) = await service.hear(SessionRevoked)
        assert (str(revoked.user_id), revoked.session_id, revoked.reason) == (alice.id, None, "account_deleted")

    async def test_frees_the_email_and_the_username(self, service: UserService, alice: User) -> None:
        await alice.delete("/users/me", {"password": PASSWORD})

        own = {"email": alice.account.email, "username": alice.account.username, "password": PASSWORD}
        again = await User.register(service.http, own)

        assert again.id != alice.id
        first, second = await service.hear(UserRegistered, 2)
        assert first.email_digest == second.email_digest
        order = [envelope.payload for envelope in service.published]
        assert order.index(first) < order.index(service.heard(UserDeleted)[0]) < order.index(second)

    async def test_leaves_no_trace_of_the_address_or_the_names(self, service: UserService) -> None:
        names = ("Unmistakable.Address@example.com", "unmistakable_name", "Unmistakable Person")
        credentials = {"email": names[0], "username": names[1], "display_name": names[2], "password": PASSWORD}
        user = await User.register(service.http, credentials)
        ok(await user.patch("/users/me", {"display_name": "Unmistakable Too"}))
        assert "unmistakable" in (await everything_in(service.database_url)).lower()

        await user.delete("/users/me", {"password": PASSWORD})

        async def gone() -> bool:
            return "unmistakable" not in (await everything_in(service.database_url)).lower()

        await eventually(gone)  # when the outbox has been relayed
        assert names[0].lower() not in str(service.published).lower()

    async def test_needs_the_password(self, alice: User) -> None:
        problem(await alice.delete("/users/me", {"password": "wrong"}), 403, "wrong_password")

        ok(await alice.get("/users/me"))
        invalid_request(await alice.delete("/users/me"))

    async def test_twice_at_once_happens_once(self, service: UserService, alice: User) -> None:
        responses = await asyncio.gather(*(alice.delete("/users/me", {"password": PASSWORD}) for _ in range(3)))

        assert sorted(response.status_code for response in responses) == [204, 401, 401]
        assert len(await service.hear(UserDeleted)) == 1

    async def test_beside_a_login_leaves_no_session(self, service: UserService, alice: User) -> None:
        _, token = await asyncio.gather(
            alice.delete("/users/me", {"password": PASSWORD}),
            service.http.post("/api/v1/auth/token", data={"username": alice.account.username, "password": PASSWORD}),
        )

        assert token.status_code in {200, 401}
        assert await service.rows("sessions") == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_is_nobody_without_a_token(http: httpx.AsyncClient, method: str) -> None:
    body = {"password": PASSWORD} if method == "DELETE" else {}

    problem(await http.request(method, "/api/v1/users/me", json=body), 401, "invalid_token")
