"""A seeded workload: many clients and a few who work over HTTP alone, with a history of what they did and saw."""

import asyncio
import random
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from tests.e2e.faults.clients import Client
from tests.e2e.faults.history import History
from tests.e2e.faults.http_workers import HttpWorker, Moderator, Poster, Registrar
from tests.e2e.faults.people import Person, Trouble

Result = TypeVar("Result")

_HTTP_ANSWERS_WITHIN_S = 10.0
_PAUSE_WITHOUT_RATE_S = 0.1
_ENDS_ARE_OLD_AFTER_S = 2.0
_LOGINS = 40
"""How many of the registered people log in at the end. That all of them are there, the final state tells."""

_SHOWN = 5

_LOGIN_ANSWERS = (200, 401)
"""Of which the checker tells the right one."""


class Workload:
    """The same seed makes the same decisions, as far as what comes back, and when, allows.

    Every fourth client is a second one of the person before it, and every sixth a slow reader.
    """

    def __init__(
        self, history: History, http: httpx.AsyncClient, clients: list[Client], workers: list[HttpWorker]
    ) -> None:
        self.clients = clients
        self._history = history
        self._http = http
        self._workers = workers
        self._everybody: list[Client | HttpWorker] = [*clients, *workers]
        self._tasks = {one.name: asyncio.create_task(one.run()) for one in self._everybody}

    @classmethod
    async def start(
        cls, base_url: str, seed: int, *, clients: int = 24, rooms: int = 8, rate: float | None = None
    ) -> "Workload":
        """Begins, with `rate` commands per second of all clients together, or as many as the server takes."""
        history = History(seed)
        chance = random.Random(f"{seed} start")
        http = httpx.AsyncClient(
            base_url=base_url,
            timeout=_HTTP_ANSWERS_WITHIN_S,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=1),
        )
        owner = await Person.register(http, history)
        room_ids = [await owner.create_room() for _ in range(rooms)]
        newcomers = clients - clients // 4
        others = await _gathered(Person.register(http, history) for _ in range(newcomers))
        joining = [(other, chance.sample(room_ids, max(1, rooms // 2))) for other in others]
        await _gathered(other.join(rooms_of) for other, rooms_of in joining)
        people = [others[number - (number + 1) // 4] for number in range(clients)]
        interval = None if rate is None else clients / rate
        talking = [
            Client(
                f"client {number}",
                base_url,
                person,
                history,
                room_ids,
                seed=f"{seed} client {number}",
                interval=interval,
                slow=number % 6 == 5,
            )
            for number, person in enumerate(people)
        ]
        pause = _PAUSE_WITHOUT_RATE_S if rate is None else max(0.1, 10 / rate)
        workers: list[HttpWorker] = [
            Poster(owner, room_ids, seed=f"{seed} poster", pause=pause),
            Moderator(owner, others, room_ids, seed=f"{seed} moderator"),
            Registrar(http, history, seed=f"{seed} registrar", pause=10 * pause),
        ]
        return cls(history, http, talking, workers)

    @property
    def room_ids(self) -> Sequence[str]:
        return self.clients[0].all_rooms

    @property
    def history(self) -> History:
        """So far."""
        return self._history

    @property
    def commands(self) -> int:
        """How many were made so far."""
        return len(self._history.commands)

    @property
    def entries(self) -> int:
        """How many have come into being so far, as far as anybody has heard."""
        heads: dict[str, int] = {}
        for client in self.clients:
            for room_id, seq in client.highest.items():
                heads[room_id] = max(heads.get(room_id, 0), seq)
        return sum(heads.values())

    def reconnects(self, since: float) -> Mapping[str, int]:
        """How often each client has lost a connection that it would have kept, from a `time.monotonic()` on."""
        return {client.name: sum(at >= since for at in client.reconnects) for client in self.clients}

    def errors(self, since: float, *, answered: bool = False) -> Mapping[str, list[str]]:
        """What each was told, from a `time.monotonic()` on, that nobody should be told while nothing is at fault, and
        unless only what was `answered` counts, each request whose connection was lost and each connection that was not
        had."""
        return {
            name: [one.what for one in troubles if one.at >= since and not (answered and one.unanswered)]
            for name, troubles in self._troubles().items()
        }

    async def served(self, *, within: float = 30) -> float:
        """Seconds until each client has had a command acked that it made after this call, a message was posted over
        HTTP, and somebody registered. Raises AssertionError, with the names of those who were not served.

        Slow readers are not waited for: what they have not read yet stands before whatever they are answered.
        """
        begun_at = time.monotonic()
        clients = [client for client in self.clients if not client.slow]
        expected: list[Client | HttpWorker] = [
            *clients,
            *(worker for worker in self._workers if not isinstance(worker, Moderator)),
        ]
        for one in expected:
            one.hurry()
        while waiting := [one.name for one in expected if one.served_at < begun_at]:
            self._check()
            elapsed = time.monotonic() - begun_at
            assert elapsed < within, f"not served within {within} s: {', '.join(waiting)}"
            await asyncio.sleep(0.02)
        return time.monotonic() - begun_at

    async def finish(self, *, within: float = 60) -> History:
        """Lets everybody finish what they began, and hear every room to its end. What was not heard in time shows in
        the history. Raises AssertionError with the names of those who have not come to an end of what they began, or
        whose login was not answered, nothing being at fault any more; and with the answers over HTTP that nobody
        should ever have had."""
        deadline = time.monotonic() + within
        for one in self._everybody:
            one.finish()
        try:
            await self._settled(deadline)
            await self._heard(deadline)
            for client in self.clients:
                client.give_up()
            unfinished = [worker.name for worker in self._workers if not self._tasks[worker.name].done()]
            unfinished += [client.name for client in self.clients if not client.settled]
            assert not unfinished, f"not finished within {within} s: {', '.join(unfinished)}"
            await self._log_in()
            bugs = [f"{name}: {one.what}" for name, told in self._troubles().items() for one in told if one.is_bug]
            assert not bugs, f"{len(bugs)} answers that no outage explains: {'; '.join(bugs[:_SHOWN])}"
        finally:
            await self.stop()
        return self._history

    async def stop(self) -> None:
        """Ends everybody at once, wherever they are."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._http.aclose()

    def _troubles(self) -> dict[str, list[Trouble]]:
        """By whose they are."""
        told = {one.name: one.troubles for one in self._everybody}
        return told | {f"{client.name} over HTTP": client.person.troubles for client in self.clients}

    async def _settled(self, deadline: float) -> None:
        """Returns when everybody has come to the end of what they began, or has had the time."""
        while time.monotonic() < deadline:
            self._check()
            working = any(not self._tasks[worker.name].done() for worker in self._workers)
            if not working and all(client.settled for client in self.clients):
                return
            await asyncio.sleep(0.02)

    async def _heard(self, deadline: float) -> None:
        """Returns when every client has heard every room to its end, or has had the time.

        What an attempt without an answer began may still be done: so the ends are asked for again.
        """
        while time.monotonic() < deadline:
            listening = [client for client in self.clients if not self._tasks[client.name].done()]
            if not listening:
                return
            for client in listening:
                client.hear_until(await self._rooms_of(client.person, deadline))
            await asyncio.wait([self._tasks[client.name] for client in listening], timeout=_ENDS_ARE_OLD_AFTER_S)
            self._check()

    async def _rooms_of(self, person: Person, deadline: float) -> dict[str, int]:
        while (rooms := await person.rooms()) is None:
            assert time.monotonic() < deadline, "the rooms can't be had"
            await asyncio.sleep(0.1)
        return rooms

    async def _log_in(self) -> None:
        (registrar,) = (worker for worker in self._workers if isinstance(worker, Registrar))
        emails = sorted({one.email for one in self._history.registrations if one.status == 201})
        for email in random.Random(self._history.seed).sample(emails, min(_LOGINS, len(emails))):
            status = await registrar.log_in(email)
            assert status in _LOGIN_ANSWERS, f"a login at the end was answered {status}"

    def _check(self) -> None:
        """Raises what has ended somebody before their time."""
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error


async def _gathered(steps: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all, a few at a time: registering somebody costs a password hash."""
    few = asyncio.Semaphore(4)

    async def take(step: Coroutine[Any, Any, Result]) -> Result:
        async with few:
            return await step

    return await asyncio.gather(*map(take, steps))
