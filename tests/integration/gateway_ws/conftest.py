"""A gateway for each test, and for those who want one with other settings, more."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from common.ids import uuid7
from tests.support.gateway_ws import GatewayServer, running_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayServer]:
    async with running_gateway() as gateway:
        yield gateway


@pytest.fixture
def alice() -> UUID:
    return uuid7()


@pytest.fixture
def bob() -> UUID:
    return uuid7()
