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
async def ready(service: BloomService) -> BloomService:
    """It has made its filter of nobody, and may answer for about three seconds."""
    await service.users.say_watermark()
    await service.answers()
    return service
