"""Clients as they should be, working through whatever happens, and the judgement of what they were promised."""

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

import httpx
from websockets.exceptions import WebSocketException

from tests.support.client import Socket, User, login, new_command_id, new_credentials, open_socket
from tests.support.eventually import eventually
from tests.support.shapes import EVENT_FIELDS, Json, ok

PIPELINED = 8
"""How many commands a talker has unanswered at once."""

_PASSING_ERRORS = ("unavailable", "rate_limited")


class Worker(Protocol):
    async def run(self) -> None: ...

    def finish(self) -> None:
        """Begins nothing new."""


@dataclass
class Command:
    id: str
    room_id: str
    text: str
    refused: bool = False


class Talker:
    """Sends commands with ids over WebSocket; reconnects with resume, and sends what is not acked again."""

    def __init__(self, base_url: str, user: User, rooms: list[Json]) -> None:
        self.user = user
        self.sent: list[Command] = []
        self.acks: dict[str, Json] = {}
        self.events: dict[str, list[Json]] = {room["id"]: [] for room in rooms}
        self.gaps: list[Json] = []
        self.connections = 0
        self.seen = {room["id"]: room["head"] for room in rooms}
        self._base_url = base_url
        self._pending: dict[str, Command] = {}
        self._sending = True
        self._heads: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Talks, and ends when every room was heard to the end that `hear_until` names."""
        while True:
            try:
                async with asyncio.timeout(10):
                    socket = await open_socket(self._base_url, resume=self.seen)
            except (OSError, WebSocketException):
                await asyncio.sleep(random.uniform(0.05, 0.2))
                continue
            try:
                if await self._converse(socket):
                    return
            finally:
                self._keep(socket)
                with contextlib.suppress(WebSocketException):
                    await socket.close()

    def finish(self) -> None:
        """Makes no more commands."""
        self._sending = False

    @property
    def settled(self) -> bool:
        """Whether every command is acked."""
        return not self._pending

    def hear_until(self, heads: dict[str, int]) -> None:
        self._heads.set_result(heads)

    async def _converse(self, socket: Socket) -> bool:
        """True when there is nothing left to do, False when the connection is gone."""
        try:
            await socket.hello(self.user.account.access_token)
        except (AssertionError, OSError, WebSocketException):
            return False
        self.connections += 1
        try:
            for command in list(self._pending.values()):
                await self._send(socket, command)
            while not socket.closed:
                again = self._settle(socket)
                for command in again:
                    await asyncio.sleep(0.1)
                    await self._send(socket, command)
                if self._sending and len(self._pending) < PIPELINED:
                    command = Command(new_command_id(), random.choice(list(self.events)), secrets.token_hex(8))
                    self.sent.append(command)
                    self._pending[command.id] = command
                    await self._send(socket, command)
                elif not self._sending and not self._pending:
                    for room_id, head in (await self._heads).items():
                        await socket.reach(room_id, head, within=15)
                    return True
                else:
                    await socket.news(within=40)
        except (OSError, WebSocketException):
            pass
        except AssertionError:
            if not socket.closed or socket.breach:
                raise
        return False

    async def _send(self, socket: Socket, command: Command) -> None:
        await socket.send(command.room_id, command.text, id=command.id)

    def _settle(self, socket: Socket) -> list[Command]:
        """Takes the answers that have come; returns what has to be sent again on this connection."""
        again = []
        for command in list(self._pending.values()):
            answers = socket.answers.pop(command.id, [])
            for answer in answers:
                if answer["type"] == "ack":
                    self._pending.pop(command.id, None)
                    first = self.acks.setdefault(command.id, answer)
                    same = all(first[name] == answer[name] for name in ("room_id", "seq", "message_id", "at"))
                    assert same, f"two different acks of one command: {first}, {answer}"
                else:
                    assert answer["code"] in _PASSING_ERRORS, answer
                    command.refused = True
                    again.append(command)
        return again

    def _keep(self, socket: Socket) -> None:
        self._settle(socket)
        self.seen.update({room_id: seq for room_id, seq in socket.seen.items() if room_id in self.events})
        self.gaps += socket.received("gap")
        for frame in socket.received("event"):
            if frame["room_id"] in self.events:
                self.events[frame["room_id"]].append(frame)


class Poster:
    """Posts messages over HTTP, each under its own idempotency key, again until there is an answer."""

    def __init__(self, user: User, room: Json) -> None:
        self.room_id: str = room["id"]
        self.posted: dict[str, Json] = {}
        self._user = user
        self._finishing = False

    async def run(self) -> None:
        while not self._finishing:
            text, key = secrets.token_hex(8), new_command_id()
            while True:
                with contextlib.suppress(httpx.TransportError):
                    response = await self._user.send(self.room_id, text, key=key)
                    if response.status_code in (200, 201):
                        self.posted[text] = response.json()
                        break
                    assert response.status_code in (502, 503, 504), response.text
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.02)

    def finish(self) -> None:
        self._finishing = True


class Registrar:
    """Registers people, each again until there is an answer. A 409 means that an attempt without answer was kept."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.registered: list[Json] = []
        self._http = http
        self._finishing = False

    async def run(self) -> None:
        while not self._finishing:
            credentials, attempts = new_credentials(), 0
            while True:
                attempts += 1
                with contextlib.suppress(httpx.TransportError):
                    response = await self._http.post("/api/v1/users", json=credentials)
                    if response.status_code == 201 or (response.status_code == 409 and attempts > 1):
                        self.registered.append(credentials)
                        break
                    assert response.status_code in (502, 503, 504), response.text
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)

    def finish(self) -> None:
        self._finishing = True

    async def judge(self) -> None:
        """Every email is known to be taken, and everybody can log in (G9)."""
        for credentials in self.registered:

            async def is_taken(email: str = credentials["email"]) -> bool:
                response = await self._http.post("/api/v1/users/availability", json={"email": email})
                return response.status_code == 200 and not response.json()["available"]

            await eventually(is_taken)
        for credentials in self.registered:
            ok(await login(self._http, credentials["email"]))


@dataclass
class Workload:
    """Talkers, a poster and a registrar at work together."""

    base_url: str
    talkers: list[Talker]
    poster: Poster
    registrar: Registrar
    rooms: list[Json]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(cls, base_url: str, http: httpx.AsyncClient, *, talkers: int = 3, rooms: int = 3) -> "Workload":
        users = [await User.register(http) for _ in range(talkers)]
        owner = users[0]
        made = [await owner.create_room() for _ in range(rooms)]
        for room in made:
            for user in users[1:]:
                await owner.add(room["id"], user)
        made = [await owner.room(room["id"]) for room in made]
        workload = cls(
            base_url,
            [Talker(base_url, user, made) for user in users],
            Poster(owner, made[0]),
            Registrar(http),
            made,
        )
        workload._tasks = [asyncio.create_task(worker.run()) for worker in workload._workers]
        return workload

    @property
    def _workers(self) -> list[Worker]:
        return [*self.talkers, self.poster, self.registrar]

    async def progress(self, *, commands: int = 30, within: float = 30) -> None:
        """Waits until every talker has had so many more commands acked, and one more person is registered."""
        before = [len(talker.acks) for talker in self.talkers]
        registered, posted = len(self.registrar.registered), len(self.poster.posted)

        async def has_moved() -> bool:
            self.check()
            return (
                all(len(talker.acks) >= count + commands for talker, count in zip(self.talkers, before, strict=True))
                and len(self.registrar.registered) > registered
                and len(self.poster.posted) > posted
            )

        await eventually(has_moved, within=within)

    async def recovery(self, *, within: float) -> float:
        """Seconds until every talker has had a new command acked, somebody is registered and a message is posted."""
        started = time.monotonic()
        await self.progress(commands=PIPELINED + 1, within=within)
        return time.monotonic() - started

    def check(self) -> None:
        """Raises what has ended a worker before its time."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def finish(self, *, within: float = 30) -> None:
        """Lets everybody come to an end, then judges."""
        for worker in self._workers:
            worker.finish()

        async def is_settled() -> bool:
            self.check()
            *_, posting, registering = self._tasks
            return all(talker.settled for talker in self.talkers) and posting.done() and registering.done()

        await eventually(is_settled, within=within)
        logs = [(room, await self.talkers[0].user.log(room["id"])) for room in self.rooms]
        for talker in self.talkers:
            talker.hear_until({room["id"]: len(log) for room, log in logs})
        async with asyncio.timeout(within):
            await asyncio.gather(*self._tasks)
        for room, log in logs:
            self._judge_room(room, log)
        await self.registrar.judge()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _judge_room(self, room: Json, log: list[Json]) -> None:
        assert [event["seq"] for event in log] == list(range(1, len(log) + 1)), "the log is not dense (G3)"
        by_seq = {event["seq"]: event for event in log}
        times = Counter(event["data"]["text"] for event in log if event["kind"] == "message.posted")
        expected: set[str] = set()
        for talker in self.talkers:
            commands = [command for command in talker.sent if command.room_id == room["id"]]
            for command in commands:
                ack, entry = talker.acks[command.id], by_seq[talker.acks[command.id]["seq"]]
                assert entry["data"]["text"] == command.text, "an ack names another entry (G1)"
                assert entry["data"]["message_id"] == ack["message_id"]
                assert entry["at"] == ack["at"]
            steady = [talker.acks[command.id]["seq"] for command in commands if not command.refused]
            assert steady == sorted(steady), "not in the order sent (G6)"
            expected |= {command.text for command in commands}
            self._judge_hearing(talker, room, log)
        if room["id"] == self.poster.room_id:
            for text, message in self.poster.posted.items():
                assert by_seq[message["seq"]]["data"]["text"] == text
                expected.add(text)
        assert times == Counter(expected), "not each exactly once (G2)"

    def _judge_hearing(self, talker: Talker, room: Json, log: list[Json]) -> None:
        """Each event once, in order, as the log has it (G4). The sockets have seen to it that gaps are named."""
        skipped = {
            seq for gap in talker.gaps if gap["room_id"] == room["id"] for seq in range(gap["after"] + 1, gap["before"])
        }
        heard = [{name: event[name] for name in EVENT_FIELDS} for event in talker.events[room["id"]]]
        told = [{name: event[name] for name in EVENT_FIELDS} for event in log[room["head"] :]]
        told = [event for event in told if event["seq"] not in skipped]
        differing = [pair for pair in zip_longest(heard, told) if pair[0] != pair[1]]
        assert not differing, (
            f"{len(differing)} of {len(told)} heard otherwise than the log tells, first {differing[0]}"
        )
