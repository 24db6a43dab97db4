import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from uuid import UUID

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, update

from chat_service.migrations import upgrade
from chat_service.migrations.versions import r0004_joinings
from chat_service.models import Base, Message, User, message_words
from chat_service.services.search_index import matches
from common.database import Database
from common.ids import now, uuid7
from contracts.messages import UserDeleted
from tests.support import client
from tests.support.chat_service import running_chat_service
from tests.support.dump import everything_in
from tests.support.shapes import ok


async def test_make_the_tables_that_the_models_describe(database_url: str) -> None:
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_can_be_run_again(database_url: str) -> None:
    await upgrade(database_url)
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_can_be_taken_back_and_made_again(database_url: str) -> None:
    await upgrade(database_url)

    await _on(database_url, partial(_downgrade_to, "base"))
    await upgrade(database_url)

    assert await _differences(database_url) == []


async def test_run_as_a_program_and_end(database_url: str) -> None:
    environment = {**os.environ, "PARLEY_DATABASE_URL": database_url}

    done = await asyncio.to_thread(_run_migrations, environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert await _differences(database_url) == []


async def test_find_the_names_in_logs_and_erase_those_of_accounts_that_were_deleted_before(database_url: str) -> None:
    await upgrade(database_url)
    async with running_chat_service(database_url) as service:
        alice, gone, going = (service.newcomer(name) for name in ("alice", "formerly", "presently"))
        room = await alice.create_room("public")
        for user in (gone, going, going):
            ok(await user.post(f"/rooms/{room['id']}/join"))
            if user is going:
                assert (await user.post(f"/rooms/{room['id']}/leave")).is_success
    before = (await everything_in(database_url)).splitlines()
    await _on(database_url, partial(_downgrade_to, r0004_joinings.down_revision))
    without_names = {"deleted": True, "username": "", "display_name": "", "version": 9}
    delete = update(User).where(User.id == UUID(gone.id)).values(**without_names)
    await _on(database_url, lambda connection: connection.execute(delete))

    await upgrade(database_url)

    after = (await everything_in(database_url)).splitlines()
    assert not [line for line in after if "formerly" in line]
    joinings = sorted(line for line in before if line.startswith("joinings"))
    assert len(joinings) == 4
    assert sorted(line for line in after if line.startswith("joinings")) == [
        line for line in joinings if UUID(gone.id).hex not in line
    ]
    async with running_chat_service(database_url, user_service=service.user_service) as service:
        await service.user_event(
            UserDeleted(user_id=UUID(going.id), email_digest="0" * 64, email_digest_key_id="", version=2)
        )
        log = await client.User(service.http, alice.account).log(room["id"])
        names = [event["data"]["username"] for event in log if event["kind"] == "member.joined"]
    assert names == ["alice", "deleted", "deleted", "deleted"]


def _run_migrations(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "chat_service.migrations"]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=30)


async def test_make_earlier_messages_be_found(database_url: str) -> None:
    database, message_ids = Database(database_url), sorted(uuid7() for _ in range(2_003))
    room_id, user_id = uuid7(), uuid7()
    deleted, *kept = message_ids
    messages = [
        {
            "id": message_id,
            "room_id": room_id,
            "seq": seq,
            "sender_id": user_id,
            "text": "" if message_id == deleted else f"Crème {seq}",
            "at": now(),
            "deleted": message_id == deleted,
        }
        for seq, message_id in enumerate(message_ids)
    ]
    async with database.engine.begin() as connection:
        await connection.run_sync(_upgrade_to, "0002")
        await connection.execute(insert(Message), messages)

    await upgrade(database_url)

    async with database.read() as session:
        found = await matches(session, ["creme"], [room_id], limit=3_000)
    await database.close()
    assert [message_id for message_id, _ in found] == kept[::-1]


def _upgrade_to(connection: Connection, revision: str) -> None:
    command.upgrade(_config(connection), revision)


def _downgrade_to(revision: str, connection: Connection) -> None:
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "chat_service:migrations")
    config.attributes["connection"] = connection
    return config


def _is_described(name: str | None, kind: str, _parents: object) -> bool:
    """What search is done by is of another kind in each database: its own tests tell whether it is there."""
    return not (kind == "table" and name is not None and name.startswith(message_words.name))


async def _differences(database_url: str) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        assert inspect(connection).has_table("alembic_version")
        options = {"include_name": _is_described}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    database = Database(database_url)
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await database.close()
    return differences


async def _on(database_url: str, work: Callable[[Connection], object]) -> None:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(work)
    await database.close()
