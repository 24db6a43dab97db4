"""Whatever was ever released for user_service to read is understood by what reads it, and takes effect."""

from contextlib import suppress

import httpx
import pytest

from contracts.routing import Service
from tests.support.eventually import eventually
from tests.support.released import Sample, samples_read_by
from tests.support.shapes import Json
from user_service.services.availability import EmailFilter, FilterUnavailable
from user_service.services.circuit import CircuitBreaker


@pytest.mark.parametrize("sample", samples_read_by(Service.USER_SERVICE))
async def test_what_was_released_is_understood(sample: Sample) -> None:
    assert sample.name == "http.email_answer.v1"
    for answer in sample.json["might_exist"] or [True]:
        # one digest is asked about, so there is one answer
        assert await understood({**sample.json, "might_exist": [answer]}) == [answer]


async def understood(body: Json) -> list[bool]:
    bloom_service = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with httpx.AsyncClient(transport=bloom_service, base_url="http://bloom_service") as client:

        async def ask() -> list[bool]:
            with suppress(FilterUnavailable):  # also said of an answer that is late, and there are 50 ms for it
                return [await EmailFilter(client, "a service token", CircuitBreaker()).might_exist("1b" * 32)]
            return []

        return await eventually(ask)
