"""user_service on either database."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.client import User
from tests.support.user_service import UserService, running_user_service
from user_service.migrations import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/users.db"
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[UserService]:
    await upgrade(database_url)
    async with running_user_service(database_url) as service:
        yield service


@pytest.fixture
def http(service: UserService) -> httpx.AsyncClient:
    return service.http


@pytest.fixture
async def alice(http: httpx.AsyncClient) -> User:
    return await User.register(http)
