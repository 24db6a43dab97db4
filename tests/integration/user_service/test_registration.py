import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from common.ids import now
from contracts.messages import UserRegistered
from tests.support.client import User, new_credentials
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.shapes import assert_time, assert_uuid7, invalid_request, ok, problem
from tests.support.user_service import UserService, running_user_service
from user_service.migrations import upgrade


class CountingHasher(Argon2Hasher):
    """As weak as it can be; knows how often it was asked for a hash."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.hashed = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.hashed += 1
        return super().hash(password, salt=salt)


async def test_answers_with_the_own_user(http: httpx.AsyncClient) -> None:
    credentials = new_credentials()

    own = ok(await http.post("/api/v1/users", json=credentials), 201)

    assert own.keys() == {"id", "email", "username", "display_name", "created_at"}
    assert_uuid7(own["id"])
    assert_time(own["created_at"])
    assert own["email"] == credentials["email"]
    assert own["username"] == credentials["username"]
    assert own["display_name"] == credentials["display_name"]


async def test_without_a_display_name_takes_the_username(http: httpx.AsyncClient) -> None:
    credentials = new_credentials()
    del credentials["display_name"]

    own = ok(await http.post("/api/v1/users", json=credentials), 201)

    assert own["display_name"] == credentials["username"]


async def test_is_told_to_the_other_services_before_a_watermark_says_so(service: UserService) -> None:
    own = ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)
    answered = now()

    (event,) = await service.hear(UserRegistered)
    assert str(event.user_id) == own["id"]
    assert (event.username, event.display_name, event.version) == (own["username"], own["display_name"], 1)
    assert re.fullmatch("[0-9a-f]{64}", event.email_digest)
    assert re.fullmatch("[0-9a-f]{8}", event.email_digest_key_id)
    watermark = await service.hear_watermark_of(answered)
    heard = [envelope.payload for envelope in service.published]
    assert heard.index(event) < heard.index(watermark)


async def test_carries_the_trace_of_the_request_into_the_event(service: UserService) -> None:
    traceparent = f"00-{'ab' * 16}-{'cd' * 8}-01"

    response = await service.http.post("/api/v1/users", json=new_credentials(), headers={"traceparent": traceparent})

    assert response.headers["X-Request-Id"] == "ab" * 16
    await service.hear(UserRegistered)
    assert [e.traceparent for e in service.published if isinstance(e.payload, UserRegistered)] == [traceparent]


async def test_goes_on_without_a_broker_and_is_told_when_it_is_back(service: UserService) -> None:
    await service.bus.stop()

    own = ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)

    assert [str(row["id"]) for row in await service.rows("users")] == [own["id"]]
    await service.bus.start()
    (event,) = await service.hear(UserRegistered)
    assert str(event.user_id) == own["id"]


async def test_stores_an_event_that_holds_no_address(service: UserService) -> None:
    await service.bus.stop()
    credentials = new_credentials()
    await service.http.post("/api/v1/users", json=credentials)

    (row,) = await service.rows("outbox")

    (envelope,) = opened(row["body"], row["content_type"])
    assert isinstance(envelope.payload, UserRegistered)
    assert row["message_id"] == str(envelope.id)
    assert row["message_type"] == row["key"] == UserRegistered.type
    for value in row.values():
        assert "@" not in str(value)
        assert credentials["password"] not in str(value)


class TestATakenName:
    @pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
    async def test_as_an_email_is_refused_however_it_is_capitalised(
        self, http: httpx.AsyncClient, alice: User, change: Callable[[str], str]
    ) -> None:
        response = await http.post("/api/v1/users", json={**new_credentials(), "email": change(alice.account.email)})

        problem(response, 409, "email_taken")

    @pytest.mark.parametrize("change", [str.lower, str.upper])
    async def test_as_a_username_is_refused_however_it_is_capitalised(
        self, http: httpx.AsyncClient, alice: User, change: Callable[[str], str]
    ) -> None:
        response = await http.post(
            "/api/v1/users", json={**new_credentials(), "username": change(alice.account.username)}
        )

        problem(response, 409, "username_taken")

    @pytest.mark.parametrize("username", ["deleted", "Deleted"])
    async def test_as_the_username_that_deleted_accounts_are_shown_by_is_refused(
        self, http: httpx.AsyncClient, username: str
    ) -> None:
        problem(
            await http.post("/api/v1/users", json={**new_credentials(), "username": username}), 409, "username_taken"
        )
        availability = ok(await http.post("/api/v1/users/availability", json={"username": username}))
        assert availability == {"available": False}

    async def test_as_an_email_is_told_after_the_same_work_as_a_success(self, database_url: str) -> None:
        """The password's hash takes most of the time."""
        await upgrade(database_url)
        hasher = CountingHasher()
        async with running_user_service(database_url, password_hash=PasswordHash([hasher])) as service:
            credentials = new_credentials()
            counts = []
            for status in (201, 409):
                before = hasher.hashed
                response = await service.http.post("/api/v1/users", json=credentials)
                assert response.status_code == status
                counts.append(hasher.hashed - before)

        assert counts == [1, 1]

    async def test_leaves_nothing_of_the_registration_that_was_refused(self, service: UserService, alice: User) -> None:
        credentials = {**new_credentials(), "username": alice.account.username}
        problem(await service.http.post("/api/v1/users", json=credentials), 409)

        ok(await service.http.post("/api/v1/users", json={**credentials, "username": "somebody_else"}), 201)

        assert [event.username for event in await service.hear(UserRegistered, 2)] == [
            alice.account.username,
            "somebody_else",
        ]


async def test_of_one_person_twenty_times_at_once_succeeds_exactly_once(service: UserService) -> None:
    credentials = new_credentials()

    responses = await asyncio.gather(*(service.http.post("/api/v1/users", json=credentials) for _ in range(20)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    for response in responses:
        if response.status_code == 409:
            problem(response, 409, "email_taken")
    assert len(await service.rows("users")) == 1

    async def all_published() -> bool:
        return not await service.rows("outbox")

    await eventually(all_published)
    assert len(service.heard(UserRegistered)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a@b"),
        ("email", "\ud800@example.com"),
        ("username", "ali\u200bce"),
        ("password", "p" * 10_000),
        ("display_name", "\u202eecilA"),
        ("is_admin", True),
    ],
)
async def test_with_a_bad_field_is_refused_and_leaves_nothing(service: UserService, field: str, value: Any) -> None:
    response = await _post_json(service.http, {**new_credentials(), field: value})

    (error,) = invalid_request(response)
    assert error["loc"] == ["body", field]
    assert await service.rows("users") == []
    assert await service.rows("outbox") == []


async def test_of_a_name_in_any_script_keeps_it_in_normal_form(http: httpx.AsyncClient) -> None:
    body = {**new_credentials(), "display_name": "  Zoe\u0308 ويليام 王  "}

    own = ok(await http.post("/api/v1/users", json=body), 201)

    assert own["display_name"] == "Zo\u00eb ويليام 王"


async def _post_json(http: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    """As JSON in ASCII, which also carries what UTF-8 can't."""
    content = json.dumps(body)
    return await http.post("/api/v1/users", content=content, headers={"Content-Type": "application/json"})
