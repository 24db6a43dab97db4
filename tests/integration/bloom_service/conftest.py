"""bloom_service on an in-process bus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bloom_service import BloomService, running_bloom_service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[BloomService]:
    """In a new folder: it has heard nothing yet."""
    async with running_bloom_service(tmp_path) as service:
        yield service


@pytest.fixture
async def complete(service: BloomService) -> BloomService:
    """It has been told that there is nobody, and may answer for about three seconds."""
    await service.users.say_watermark(nobody=True)
    await service.answers()
    return service
