"""One suite for two targets, chosen by PARLEY_TEST_TARGET.

`standalone` (the default) starts `python -m standalone`. `stack` uses the compose stack that is up at PARLEY_TEST_URL,
as the compose project PARLEY_TEST_COMPOSE_PROJECT. Tests marked with the other target's name are deselected.
"""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import PASSWORD, Account, Socket, User, new_http_client, open_socket
from tests.support.factories import Connect, CreateUser
from tests.support.product import Product, Stack, Standalone
from tests.support.shapes import Json

TARGET = os.environ.get("PARLEY_TEST_TARGET", "standalone")
TARGETS = ("standalone", "stack")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "standalone: about the single process, not the compose stack")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TARGET not in TARGETS:
        raise pytest.UsageError(f"PARLEY_TEST_TARGET is one of {', '.join(TARGETS)}")
    (other,) = set(TARGETS) - {TARGET}
    folder = Path(__file__).parent
    deselected = [item for item in items if folder in item.path.parents and item.get_closest_marker(other)]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    if TARGET == "stack":
        stack = Stack(os.environ["PARLEY_TEST_URL"], os.environ["PARLEY_TEST_COMPOSE_PROJECT"])
        yield stack
        _assert_clean(stack.logs())
        stack.close()
        return
    standalone = Standalone(tmp_path_factory.mktemp("standalone"))
    standalone.start()
    yield standalone
    standalone.stop()
    _assert_clean(standalone.logs())


@pytest.fixture
def own_product(tmp_path: Path) -> Iterator[Standalone]:
    """A single process of the test's own, to be ended or killed."""
    standalone = Standalone(tmp_path)
    standalone.start()
    yield standalone
    standalone.kill()


def _assert_clean(log: str) -> None:
    """Nothing went wrong inside, and nothing was written that nobody may read."""
    lines = log.splitlines()
    errors = [line for line in lines if re.search(r'"level": ?"(error|critical)"|Traceback', line)]
    assert not errors, f"{len(errors)} errors: {errors[:5]}"
    for secret in (PASSWORD, "@example.com", "eyJ"):
        told = [line for line in lines if secret in line]
        assert not told, f"{len(told)} lines with {secret}: {told[:3]}"


@pytest.fixture
def base_url(product: Product) -> str:
    return product.base_url


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with new_http_client(base_url) as client:
        yield client


@pytest.fixture
def create_user(http: httpx.AsyncClient) -> CreateUser:
    """Registers somebody new and signs them in."""

    async def create() -> User:
        return await User.register(http)

    return create


@pytest.fixture(scope="session")
def known_accounts() -> dict[str, Account]:
    """People whom many tests share, since a registration and a login cost two password hashes."""
    return {}


@pytest.fixture
def known_user(http: httpx.AsyncClient, known_accounts: dict[str, Account]) -> Callable[[str], Awaitable[User]]:
    async def get(name: str) -> User:
        if name not in known_accounts:
            known_accounts[name] = (await User.register(http)).account
        return User(http, known_accounts[name])

    return get


@pytest.fixture
async def alice(known_user: Callable[[str], Awaitable[User]]) -> User:
    """Somebody who has been here before, and may be in rooms of other tests."""
    return await known_user("alice")


@pytest.fixture
async def bob(known_user: Callable[[str], Awaitable[User]]) -> User:
    return await known_user("bob")


@pytest.fixture
async def carol(known_user: Callable[[str], Awaitable[User]]) -> User:
    return await known_user("carol")


@pytest.fixture
async def room(alice: User, bob: User) -> Json:
    """A private room that alice owns and bob is a member of, as alice sees it."""
    room = await alice.create_room("private")
    await alice.add(room["id"], bob)
    return await alice.room(room["id"])


@pytest.fixture
async def open_raw(base_url: str) -> AsyncIterator[Connect]:
    """Opens a connection on which nothing has been said. All are closed, and what they saw is judged, at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> Socket:
            socket = await open_socket(base_url, **options)
            stack.push_async_callback(socket.close)
            return socket

        yield open_one


@pytest.fixture
def connect(open_raw: Connect) -> Connect:
    """Connects somebody and says hello."""

    async def connect_one(user: User, **options: Any) -> Socket:
        socket = await open_raw(**options)
        await socket.hello(user.account.access_token)
        return socket

    return connect_one
