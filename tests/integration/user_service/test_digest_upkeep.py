"""What becomes of the rows whose digests are not stored, or stored under a key that is not the first any more."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import insert, make_url, update

from common.database import Database
from common.ids import now, uuid7
from tests.support.client import User
from tests.support.eventually import eventually
from tests.support.servers.server import OwnServer
from tests.support.user_service import EMAIL_DIGEST_KEY, UserService, running_user_service
from user_service import models
from user_service.migrations import upgrade
from user_service.services import digest_upkeep
from user_service.services.emails import DigestKey

KEY = DigestKey(EMAIL_DIGEST_KEY)
MANY = 1_203


@pytest.fixture(autouse=True)
def _without_rest_and_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_upkeep, "_REST", 0)
    monkeypatch.setattr(digest_upkeep, "_LOOKED_AT", 500)
    monkeypatch.setattr(digest_upkeep, "_STORED_AT_ONCE", 200)


async def without_digests(database_url: str, number: int) -> None:
    """Rows as an older version writes them."""
    database, moment = Database(database_url), now()
    values = [
        {
            "id": uuid7(),
            "email": f"{name}@example.com",
            "email_canonical": f"{name}@example.com",
            "username": name,
            "username_canonical": name,
            "display_name": name,
            "display_name_canonical": name,
            "password_hash": "",
            "version": 1,
            "created_at": moment,
        }
        for name in (f"user{position}" for position in range(number))
    ]
    async with database.engine.begin() as connection:
        await connection.execute(insert(models.User), values)
    await database.close()


async def under_another_key(database_url: str, user_ids: Sequence[UUID]) -> None:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        stored = {"email_digest": b"\xff" * 32, "email_digest_key_id": "ffffffff"}
        await connection.execute(update(models.User).where(models.User.id.in_(user_ids)).values(stored))
    await database.close()


async def until_all_are_stored(service: UserService) -> None:
    async def all_are_stored() -> bool:
        return all(row["email_digest_key_id"] == KEY.id for row in await service.rows("users"))

    await eventually(all_are_stored, within=30, every=0.1)
    assert all(row["email_digest"] == KEY.digest(row["email_canonical"]) for row in await service.rows("users"))


async def test_stores_what_is_missing_and_what_is_under_another_key(database_url: str) -> None:
    await upgrade(database_url)
    await without_digests(database_url, MANY)

    async with running_user_service(database_url) as service:
        await until_all_are_stored(service)
        user_ids = [row["id"] for row in await service.rows("users")]

    await under_another_key(database_url, user_ids[::2])
    async with running_user_service(database_url) as service:
        await until_all_are_stored(service)
        assert len(await service.rows("users")) == MANY


async def test_looks_again_for_what_instances_with_other_keys_have_written_meanwhile(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_upkeep, "_AGAIN_S", 2.0)
    await upgrade(database_url)
    await without_digests(database_url, 3)

    async with running_user_service(database_url) as service:
        await until_all_are_stored(service)
        user_ids = [row["id"] for row in await service.rows("users")]
        await under_another_key(database_url, user_ids[:1])
        await until_all_are_stored(service)


async def test_lets_people_register_and_leave_meanwhile(database_url: str) -> None:
    await upgrade(database_url)
    await without_digests(database_url, MANY)

    async with running_user_service(database_url) as service:
        for _ in range(5):
            alice, bob = await User.register(service.http), await User.register(service.http)
            await alice.delete("/users/me", {"password": alice.account.password})
        await until_all_are_stored(service)

        rows = await service.rows("users")
        assert len(rows) == MANY + 5
        assert bob.id in {str(row["id"]) for row in rows}


async def test_ends_with_the_service_wherever_it_is(database_url: str) -> None:
    await upgrade(database_url)
    await without_digests(database_url, MANY)

    for _ in range(10):
        async with running_user_service(database_url):
            pass

    async with running_user_service(database_url) as service:
        await until_all_are_stored(service)


async def test_waits_for_a_database_that_goes_away_and_goes_on(
    own_postgresql: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_upkeep, "_REST", 5)  # so that it is in the middle when the database goes away
    monkeypatch.setattr(digest_upkeep, "_STORED_AT_ONCE", 50)
    url = make_url(own_postgresql.url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    await upgrade(url)
    await without_digests(url, MANY)

    async with running_user_service(url) as service:

        async def has_begun() -> bool:
            return any(row["email_digest"] is not None for row in await service.rows("users"))

        await eventually(has_begun)
        await own_postgresql.kill()
        await own_postgresql.start()

        await until_all_are_stored(service)
