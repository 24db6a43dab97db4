import secrets
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import REGISTRY

from contracts.messages import UserRegistered
from tests.support.client import User, new_credentials
from tests.support.shapes import Json, invalid_request, ok
from tests.support.user_service import SERVICE_TOKEN, BloomStandIn, UserService


async def is_available(http: httpx.AsyncClient, **name: str) -> bool:
    available: bool = ok(await http.post("/api/v1/users/availability", json=name))["available"]
    return available


def answers(by: str) -> float:
    return REGISTRY.get_sample_value("parley_email_availability_answers_total", {"by": by}) or 0.0


class TestAnEmailThatTheFilterDoesNotKnow:
    async def test_is_available_without_a_look_into_the_database(self, service: UserService) -> None:
        before = answers("filter")

        assert await is_available(service.http, email="free@example.com")

        assert answers("filter") == before + 1

    async def test_was_asked_for_by_the_digest_that_its_event_would_carry(
        self, service: UserService, alice: User
    ) -> None:
        await is_available(service.http, email=alice.account.email.upper())

        (registered,) = await service.hear(UserRegistered)
        assert service.bloom.digests == [registered.email_digest]
        assert service.bloom.asked_under == [registered.email_digest_key_id]
        assert service.bloom.credentials == [f"Bearer {SERVICE_TOKEN}"]


class TestAnEmailThatTheFilterMayKnow:
    async def test_is_taken_if_the_database_has_it(self, service: UserService, alice: User) -> None:
        (registered,) = await service.hear(UserRegistered)
        service.bloom.registered.add(registered.email_digest)

        assert not await is_available(service.http, email=alice.account.email)
        assert not await is_available(service.http, email=alice.account.email.upper())

    async def test_is_available_if_the_database_does_not_have_it(self, service: UserService, alice: User) -> None:
        before = answers("database")
        await alice.delete("/users/me", {"password": alice.account.password})
        (registered,) = await service.hear(UserRegistered)
        service.bloom.registered.add(registered.email_digest)

        assert await is_available(service.http, email=alice.account.email)
        assert answers("database") == before + 1


def behind(bloom: BloomStandIn) -> None:
    bloom.status = 503


def late(bloom: BloomStandIn) -> None:
    bloom.delay_s = 5.0


def confused(bloom: BloomStandIn) -> None:
    bloom.body = b'{"might_exist": [false, false]}'


def garbled(bloom: BloomStandIn) -> None:
    bloom.body = b"\xff"


class TestAFilterThatDoesNotAnswer:
    @pytest.mark.parametrize("fault", [behind, late, confused, garbled])
    async def test_leaves_the_answer_to_the_database(
        self, service: UserService, alice: User, fault: Callable[[BloomStandIn], None]
    ) -> None:
        fault(service.bloom)
        before = answers("database_alone")

        assert not await is_available(service.http, email=alice.account.email)
        assert await is_available(service.http, email="free@example.com")

        assert answers("database_alone") == before + 2

    async def test_is_not_asked_after_five_failures(self, service: UserService) -> None:
        behind(service.bloom)

        for _ in range(8):
            assert await is_available(service.http, email="free@example.com")

        assert len(service.bloom.digests) == 5


class TestAUsername:
    async def test_is_taken_in_any_case_once_it_is_registered(self, service: UserService, alice: User) -> None:
        assert not await is_available(service.http, username=alice.account.username.upper())
        assert await is_available(service.http, username=f"u{secrets.token_hex(8)}")
        assert service.bloom.digests == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com", "username": "alice"},
        {"email": "a@b"},
        {"email": None},
        {"username": "a"},
        {"username": "alice", "more": 1},
        [],
    ],
)
async def test_a_question_in_a_bad_form_is_refused(http: httpx.AsyncClient, body: Json) -> None:
    invalid_request(await http.post("/api/v1/users/availability", json=body))


async def test_no_address_is_logged(service: UserService, capfd: pytest.CaptureFixture[str]) -> None:
    behind(service.bloom)
    credentials = new_credentials()

    await is_available(service.http, email=credentials["email"])
    ok(await service.http.post("/api/v1/users", json=credentials), 201)
    await service.http.post("/api/v1/users", json=credentials)

    logged = capfd.readouterr().out
    assert "request" in logged
    assert credentials["email"] not in logged
    assert credentials["password"] not in logged
