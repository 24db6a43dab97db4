import asyncio
import secrets
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import REGISTRY

from contracts.messages import UserRegistered
from tests.support.client import User, new_credentials
from tests.support.eventually import eventually
from tests.support.shapes import Json, invalid_request, ok
from tests.support.user_service import SERVICE_TOKEN, BloomStandIn, UserService, running_user_service
from user_service.migrations import upgrade
from user_service.services.pace import STEP_S, Pace


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


class TestTheTimeOfAnAnswer:
    @pytest.mark.parametrize(
        ("taken", "by"), [(False, "filter"), (True, "database"), (False, "database_alone"), (True, "database_alone")]
    )
    async def test_is_a_step_of_the_clock_whoever_gave_it(self, database_url: str, taken: bool, by: str) -> None:
        await upgrade(database_url)
        steps = asyncio.Semaphore(0)
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await steps.acquire()

        async with running_user_service(database_url, pace=Pace(sleep)) as service:
            alice = await User.register(service.http)
            (registered,) = await service.hear(UserRegistered)
            service.bloom.registered.add(registered.email_digest)
            service.bloom.status = 503 if by == "database_alone" else 200
            before = answers(by)
            email = alice.account.email if taken else "free@example.com"

            asking = asyncio.create_task(is_available(service.http, email=email))

            async def is_found() -> bool:
                return answers(by) == before + 1

            await eventually(is_found)
            await asyncio.sleep(0.1)  # as long as it takes, and more
            assert not asking.done()
            while not asking.done():
                steps.release()
                await asyncio.sleep(0.01)
            assert await asking == (not taken)
            assert set(slept) == {STEP_S}


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
