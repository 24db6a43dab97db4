"""Whatever was ever released for user_service to read is understood by what reads it, and takes effect."""

from contextlib import suppress
from tempfile import TemporaryDirectory

import httpx
import pytest

from contracts.routing import Service
from tests.support.eventually import eventually
from tests.support.released import Sample, samples_read_by
from tests.support.shapes import Json, ok
from tests.support.user_service import SERVICE_TOKEN, running_user_service
from user_service.migrations import upgrade
from user_service.services.availability import EmailFilter, FilterUnavailable
from user_service.services.circuit import CircuitBreaker


@pytest.mark.parametrize("sample", samples_read_by(Service.USER_SERVICE))
async def test_what_was_released_is_understood(sample: Sample) -> None:
    await EFFECTS[sample.name](sample)


async def sessions_are_told_apart(sample: Sample) -> None:
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}", "Content-Type": "application/json"}
    with TemporaryDirectory() as folder:
        await upgrade(database_url := f"sqlite+aiosqlite:///{folder}/users.db")
        async with running_user_service(database_url) as service:
            answer = await service.http.post("/internal/v1/sessions/active", content=sample.body, headers=headers)

    assert ok(answer) == {"active": []}


async def filter_is_understood(sample: Sample) -> None:
    for answer in sample.json["might_exist"] or [True]:
        # one digest is asked about, so there is one answer
        assert await understood({**sample.json, "might_exist": [answer]}) == [answer]


EFFECTS = {
    "http.email_answer.v1": filter_is_understood,
    "http.active_sessions_request.v1": sessions_are_told_apart,
}


async def understood(body: Json) -> list[bool]:
    bloom_service = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with httpx.AsyncClient(transport=bloom_service, base_url="http://bloom_service") as client:

        async def ask() -> list[bool]:
            with suppress(FilterUnavailable):  # also said of an answer that is late, and there are 50 ms for it
                email_filter = EmailFilter(client, "a service token", CircuitBreaker())
                return [await email_filter.might_exist("1b" * 32, "2026-01")]
            return []

        return await eventually(ask)
