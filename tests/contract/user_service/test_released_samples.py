"""Whatever was ever released for user_service to read is understood by what reads it, and takes effect."""

import httpx
import pytest

from contracts.routing import Service
from tests.support.released import Sample, samples_read_by
from user_service.services.availability import EmailFilter
from user_service.services.circuit import CircuitBreaker


@pytest.mark.parametrize("sample", samples_read_by(Service.USER_SERVICE))
async def test_what_was_released_is_understood(sample: Sample) -> None:
    assert sample.name == "http.email_answer.v1"
    # one digest is asked about, so there is one answer
    for answer in sample.json["might_exist"]:
        body = {**sample.json, "might_exist": [answer]}
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(lambda _, body=body: httpx.Response(200, json=body)),
            base_url="http://bloom_service",
        ) as bloom:
            assert await EmailFilter(bloom, "a service token", CircuitBreaker()).might_exist("1b" * 32) is answer
