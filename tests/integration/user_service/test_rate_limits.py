"""Who asks too often is told so, before anything else is done for them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.client import User, login, new_credentials
from tests.support.shapes import invalid_request, ok, problem
from tests.support.user_service import UserService, running_user_service
from user_service.migrations import upgrade

Start = Callable[..., AbstractAsyncContextManager[UserService]]


@pytest.fixture
async def start(tmp_path: Path) -> Start:
    """Starts the service with limits."""
    url = f"sqlite+aiosqlite:///{tmp_path}/users.db"
    await upgrade(url)

    @asynccontextmanager
    async def start_one(**rates: int) -> AsyncIterator[UserService]:
        async with running_user_service(url, rates=rates) as service:
            yield service

    return start_one


def client_at(service: UserService, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.app, client=(host, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://user_service")


def assert_told_to_wait(response: httpx.Response, seconds: range) -> None:
    problem(response, 429, "rate_limited")
    assert int(response.headers["Retry-After"]) in seconds


class TestAvailability:
    async def test_is_told_so_often_of_emails_and_usernames_together(self, start: Start) -> None:
        async with start(availability_checks_per_hour=2) as service:
            http = service.http
            ok(await http.post("/api/v1/users/availability", json={"email": "free@example.com"}))
            ok(await http.post("/api/v1/users/availability", json={"username": "free"}))

            for name in ({"email": "free@example.com"}, {"username": "free"}):
                response = await http.post("/api/v1/users/availability", json=name)
                assert_told_to_wait(response, range(1790, 1801))

            assert len(service.bloom.digests) == 1

    async def test_is_still_told_to_others(self, start: Start) -> None:
        async with start(availability_checks_per_hour=1) as service:
            for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
                async with client_at(service, host) as http:
                    ok(await http.post("/api/v1/users/availability", json={"username": "free"}))
                    problem(await http.post("/api/v1/users/availability", json={"username": "free"}), 429)

    async def test_of_something_that_can_not_be_had_anyway_costs_nothing(self, start: Start) -> None:
        async with start(availability_checks_per_hour=1) as service:
            for _ in range(3):
                invalid_request(await service.http.post("/api/v1/users/availability", json={"email": "a@b"}))

            ok(await service.http.post("/api/v1/users/availability", json={"username": "free"}))


class TestRegistration:
    async def test_is_refused_when_it_is_one_too_many_whether_or_not_the_email_is_taken(self, start: Start) -> None:
        async with start(registrations_per_hour=2) as service:
            taken = new_credentials()
            ok(await service.http.post("/api/v1/users", json=taken), 201)
            problem(await service.http.post("/api/v1/users", json=taken), 409, "email_taken")

            for credentials in (taken, new_credentials()):
                response = await service.http.post("/api/v1/users", json=credentials)
                assert_told_to_wait(response, range(1790, 1801))

            assert [row["email"] for row in await service.rows("users")] == [taken["email"]]

    async def test_does_not_depend_on_what_a_client_says_of_its_address(self, start: Start) -> None:
        async with start(registrations_per_hour=1) as service:
            ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)

            for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"):
                headers = {header: "198.51.100.7"}
                response = await service.http.post("/api/v1/users", json=new_credentials(), headers=headers)
                problem(response, 429, "rate_limited")


class TestLogin:
    async def test_with_wrong_passwords_is_refused_even_with_the_right_one(self, start: Start) -> None:
        async with start(failed_logins_per_hour=2) as service:
            alice = await User.register(service.http)
            for _ in range(2):
                problem(await login(service.http, alice.account.username, "wrong"), 401, "invalid_credentials")

            assert_told_to_wait(await login(service.http, alice.account.username), range(1790, 1801))

            async with client_at(service, "198.51.100.7") as elsewhere:
                ok(await login(elsewhere, alice.account.username))

    async def test_is_refused_in_the_same_way_where_there_is_no_such_account(self, start: Start) -> None:
        async with start(failed_logins_per_hour=2) as service:
            for _ in range(2):
                problem(await login(service.http, "nobody@example.com"), 401, "invalid_credentials")

            problem(await login(service.http, "Nobody@Example.com"), 429, "rate_limited")

    async def test_with_the_right_password_may_be_had_again_and_again(self, start: Start) -> None:
        async with start(failed_logins_per_hour=2) as service:
            alice = await User.register(service.http)

            for _ in range(3):
                problem(await login(service.http, alice.account.username, "wrong"), 401)
                ok(await login(service.http, alice.account.username))

    async def test_is_refused_when_one_address_tries_too_many_names(self, start: Start) -> None:
        async with start(logins_per_hour=3) as service:
            for number in range(3):
                problem(await login(service.http, f"somebody{number}"), 401)

            assert_told_to_wait(await login(service.http, "somebody3"), range(1190, 1201))


async def test_a_running_session_goes_on_when_logins_are_refused(start: Start) -> None:
    async with start(logins_per_hour=1) as service:
        alice = await User.register(service.http)
        problem(await login(service.http, alice.account.username), 429)

        ok(await service.http.post("/api/v1/auth/refresh", json={"refresh_token": alice.account.refresh_token}))
        ok(await alice.get("/users/me"))
