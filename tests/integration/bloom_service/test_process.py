"""`python -m bloom_service` with a real broker: refused by the disk, cut off, in several replicas, commanded."""

import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from contracts.topology import bloom_user_events
from tests.support.bloom_program import UserService, new_program, running_user_service
from tests.support.bloom_service import new_digest
from tests.support.servers.server import OwnServer, free_port

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def users(own_rabbitmq: OwnServer) -> AsyncIterator[UserService]:
    async with running_user_service(own_rabbitmq.url) as users:
        yield users


async def test_a_disk_that_refuses_holds_events_up_and_loses_none(users: UserService, tmp_path: Path) -> None:
    digests = [new_digest() for _ in range(20)]
    async with new_program(users, tmp_path) as program:
        await program.answers(within=30)
        unlimited = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (100, unlimited[1]))

        await users.register(*digests)

        await program.is_behind("s behind")
        assert (await program.stats())["count"] == 0
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, unlimited)
        await program.count_reaches(len(digests), within=30)
        await program.answers()
        assert await program.might_exist(*digests) == [True] * len(digests)
        assert await program.send(signal.SIGTERM) == 0


async def test_a_broker_that_was_away_for_long_costs_nobody(
    users: UserService, own_rabbitmq: OwnServer, tmp_path: Path
) -> None:
    before, meanwhile = [new_digest() for _ in range(10)], [new_digest() for _ in range(10)]
    async with new_program(users, tmp_path) as program:
        await program.answers(within=30)
        await users.register(*before)
        await own_rabbitmq.kill()
        await program.is_behind("the broker can't be reached")
        await own_rabbitmq.start()
        await users.register(*meanwhile)

        await program.count_reaches(20, within=30)
        await program.answers(within=30)
        assert all(await program.might_exist(*before, *meanwhile))


class TestReplicas:
    async def test_each_hears_everything_also_what_happened_while_it_was_away(
        self, users: UserService, tmp_path: Path
    ) -> None:
        digests = [new_digest() for _ in range(30)]
        async with new_program(users, tmp_path) as first, new_program(users, tmp_path) as second:
            for program in (first, second):
                await program.answers(within=30)
            await users.register(*digests[:10])
            for program in (first, second):
                await program.count_reaches(10)

            await second.send(signal.SIGKILL)
            await users.register(*digests[10:20])
            await first.count_reaches(20)
            await first.send(signal.SIGKILL)
            await users.register(*digests[20:])
            asked = len(users.export.asked)
            first.start()
            second.start()

            for program in (first, second):
                await program.answers(within=30)
                await program.count_reaches(30)
                assert all(await program.might_exist(*digests))
            assert len(users.export.asked) == asked
        assert sorted(os.listdir(tmp_path)) == ["1", "2"]

    async def test_one_can_be_told_which_it_is(self, users: UserService, tmp_path: Path) -> None:
        async with new_program(users, tmp_path, PARLEY_REPLICA="7") as program:
            await program.answers(within=30)
            again = await program.command("bloom_service", PARLEY_PORT=str(free_port()))
            letters = await program.command("bloom_service.dead_letters", "list")

        assert again.returncode == 1
        assert again.stderr == f"Another process is working on {tmp_path / '7'}.\n"
        assert letters.stdout.split() == ["0", bloom_user_events(7)]

    async def test_it_is_a_number(self, users: UserService, tmp_path: Path) -> None:
        async with new_program(users, tmp_path, PARLEY_REPLICA="dead") as program:
            refused = await program.command("bloom_service")

        assert refused.returncode == 2
        assert "PARLEY_REPLICA" in refused.stderr


class TestRebuildCommand:
    async def test_has_the_filter_made_anew(self, users: UserService, tmp_path: Path) -> None:
        async with new_program(users, tmp_path, PARLEY_HOST="0.0.0.0") as program:  # noqa: S104
            await program.answers(within=30)
            done = await program.command("bloom_service.rebuild")

            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == "The filter will be made anew under a-key.\n"
            await program.generation_is(2)

    async def test_says_that_nothing_can_be_made_yet(self, users: UserService, tmp_path: Path) -> None:
        users.key_ids = []
        async with new_program(users, tmp_path) as program:
            await program.is_behind("no filter under the key of the question", within=30)
            done = await program.command("bloom_service.rebuild")

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Nothing was begun: bloom_service has not heard yet which keys user_service has.\n"

    async def test_says_that_the_service_is_not_there(self, users: UserService, tmp_path: Path) -> None:
        async with new_program(users, tmp_path) as program:
            program.process.kill()
            program.process.wait()
            done = await program.command("bloom_service.rebuild")

        assert (done.returncode, done.stdout) == (1, "")
        assert "No answer from bloom_service" in done.stderr
        assert httpx.ConnectError.__name__ in done.stderr
