"""chat_service on either database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_service.migrations import upgrade
from tests.support.chat_service import ChatService, running_chat_service
from tests.support.client import User
from tests.support.shapes import Json


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[ChatService]:
    await upgrade(database_url)
    async with running_chat_service(database_url) as service:
        yield service


@pytest.fixture
def alice(service: ChatService) -> User:
    return service.newcomer("alice")


@pytest.fixture
def bob(service: ChatService) -> User:
    return service.newcomer("bob")


@pytest.fixture
def carol(service: ChatService) -> User:
    return service.newcomer("carol")


@pytest.fixture
async def room(alice: User, bob: User) -> Json:
    """A private room that alice owns and bob is a member of, as alice sees it."""
    room = await alice.create_room()
    await alice.add(room["id"], bob)
    return await alice.room(room["id"])
