"""Parley, as its services and as the single process, and rooms in it that were made over its public interface."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx

from bench.load.parley import Sender, connect, number_of, send_frame
from bench.load.receiver import Receiver
from bench.load.texts import text_of
from bench.load.transcript import Transcript
from bench.servers.chat_database import Connection
from contracts.routing import Service
from tests.support.client import User, new_http_client
from tests.support.deployment import new_deployment
from tests.support.product import Standalone
from tests.support.servers.postgresql import PostgreSQLProcess
from tests.support.servers.postgresql import find_program as find_postgresql
from tests.support.servers.rabbitmq import RabbitMQProcess
from tests.support.servers.rabbitmq import find_program as find_rabbitmq

_UNLIMITED = {"PARLEY_FRAMES_PER_SECOND": "1000000", "PARLEY_FRAMES_BURST": "1000000", "PARLEY_LOG_LEVEL": "warning"}
_MAKING_AT_ONCE = 4

Made = TypeVar("Made")


class ParleyRoom:
    """Everybody is a member, and connected once. The first `talkers` of them talk, in turn, and the others listen."""

    def __init__(
        self, gateway_url: str, pids: Sequence[int], room_id: UUID, users: Sequence[User], talkers: int
    ) -> None:
        self.pids = pids
        self._room_id = room_id
        transcript = Transcript(number_of)
        sockets = [connect(gateway_url, user.account.access_token)[0] for user in users]
        self.talkers = [Sender(sock) for sock in sockets[:talkers]]
        self.members = [Receiver(sock, transcript) for sock in sockets[talkers:]]

    def say(self, numbers: Sequence[int]) -> None:
        frames: dict[Sender, list[bytes]] = {}
        for number in numbers:
            talker = self.talkers[number % len(self.talkers)]
            frames.setdefault(talker, []).append(send_frame(self._room_id, number, text_of(number)))
        for talker, own in frames.items():
            talker.sock.sendall(b"".join(own))

    def close(self) -> None:
        for sock in [talker.sock for talker in self.talkers] + [member.sock for member in self.members]:
            sock.close()


class Parley:
    """`pids` are those of the processes that serve it, by what they are. Only with services there are `bloom_url` and
    `database_urls` (asyncpg's)."""

    def __init__(
        self,
        runner: asyncio.Runner,
        http: httpx.AsyncClient,
        gateway_url: str,
        user_url: str,
        pids: Mapping[str, Sequence[int]],
        bloom_url: str = "",
        database_urls: Mapping[Service, str] | None = None,
    ) -> None:
        self.pids = pids
        self.gateway_url = gateway_url
        self.user_url = user_url
        self.bloom_url = bloom_url
        self._runner = runner
        self._http = http
        self._database_urls = database_urls or {}
        self._users: list[User] = []

    @property
    def all_pids(self) -> list[int]:
        return [pid for pids in self.pids.values() for pid in pids]

    def users(self, number: int) -> Sequence[User]:
        """The same ones each time, as far as there are any."""
        self._runner.run(self._register(number))
        return self._users[:number]

    def new_rooms(self, groups: Sequence[Sequence[User]]) -> list[UUID]:
        """One for each group, which the first of it owns."""
        return self._runner.run(self._new_rooms(groups))

    def in_database(self, service: Service, work: Callable[[Connection], Coroutine[Any, Any, Made]]) -> Made:
        async def connect_and_work() -> Made:
            connection = await asyncpg.connect(self._database_urls[service])
            try:
                return await work(connection)
            finally:
                await connection.close()

        return self._runner.run(connect_and_work())

    def metric(self, name: str) -> float:
        """The gateway's: the sum of all that begin so; 0 while nothing has been counted."""
        lines = httpx.get(f"{self.gateway_url}/metrics", trust_env=False).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    @contextmanager
    def room(self, members: int, talkers: int) -> Iterator[ParleyRoom]:
        users = self.users(members)
        (room_id,) = self.new_rooms([users])
        room = ParleyRoom(self.gateway_url, self.all_pids, room_id, users, talkers)
        try:
            yield room
        finally:
            room.close()

    async def _new_rooms(self, groups: Sequence[Sequence[User]]) -> list[UUID]:
        few = asyncio.Semaphore(_MAKING_AT_ONCE)

        async def make(owner: User, *others: User) -> UUID:
            async with few:
                room_id: str = (await owner.create_room())["id"]
                for other in others:
                    await owner.add(room_id, other)
            return UUID(room_id)

        return await asyncio.gather(*(make(*group) for group in groups))

    async def _register(self, number: int) -> None:
        few = asyncio.Semaphore(_MAKING_AT_ONCE)

        async def register() -> User:
            async with few:
                return await User.register(self._http)

        missing = max(0, number - len(self._users))
        self._users += await asyncio.gather(*(register() for _ in range(missing)))


@contextmanager
def services(**settings: str) -> Iterator[Parley]:
    """The four, with a RabbitMQ and a PostgreSQL of their own, which has what it commits on disk. `settings` are
    environment variables. Raises LookupError: RabbitMQ or PostgreSQL is not installed."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, asyncio.Runner() as runner:
        broker = RabbitMQProcess(_found(find_rabbitmq(), "RabbitMQ"))
        database = PostgreSQLProcess(_found(find_postgresql(), "PostgreSQL"), "fsync=on")
        try:
            broker.start()
            database.start()
            making = new_deployment(Path(folder), broker.url, database.url, **_UNLIMITED, **settings)
            deployment = runner.run(making.__aenter__())
            try:
                deployment.deploy({})
                pids = {str(service): [pid] for service, pid in deployment.pids.items()}
                pids |= {"rabbitmq": broker.pids(), "postgresql": database.pids()}
                http = deployment.http()
                database_urls = {one: url.replace("+asyncpg", "") for one, url in deployment.database_urls.items()}
                urls = deployment.url(Service.GATEWAY_WS), deployment.url(Service.USER_SERVICE)
                yield Parley(runner, http, *urls, pids, deployment.url(Service.BLOOM_SERVICE), database_urls)
                runner.run(http.aclose())
            finally:
                runner.run(making.__aexit__(None, None, None))
        finally:
            database.close()
            broker.close()


@contextmanager
def single_process() -> Iterator[Parley]:
    os.environ.update(_UNLIMITED)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, asyncio.Runner() as runner:
        standalone = Standalone(Path(folder))
        standalone.start()
        try:
            making = new_http_client(standalone.base_url)
            http = runner.run(making.__aenter__())
            yield Parley(runner, http, standalone.base_url, standalone.base_url, {"standalone": [standalone.pid]})
            runner.run(making.__aexit__(None, None, None))
        finally:
            standalone.kill()


def _found(program: Path | None, name: str) -> Path:
    if program is None:
        raise LookupError(f"{name} is not installed")
    return program
