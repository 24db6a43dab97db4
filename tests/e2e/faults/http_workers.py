"""Those who work over HTTP alone: one posts messages, one moves members in and out, one registers people."""

import asyncio
import math
import random
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

import httpx

from tests.e2e.faults.history import Availability, Command, Deletion, History, Json, Login, Registration
from tests.e2e.faults.people import Person, Trouble
from tests.support.client import PASSWORD, login
from tests.support.eventually import eventually

_AGAIN_S = 0.1
_OUT_FOR_S = 1.0


class HttpWorker:
    """`served_at` is when the latest piece of work was begun that has come to a good end."""

    name: str

    def __init__(self, seed: str, troubles: list[Trouble], pause: float) -> None:
        self.served_at = 0.0
        self._pause = pause
        self.troubles = troubles
        self._random = random.Random(seed)
        self._finishing = False
        self._awake = asyncio.Event()

    async def run(self) -> None:
        """Works until `finish`."""
        while not self._finishing:
            await self._rest(self._pause)
            begun_at = time.monotonic()
            await self._work()
            self.served_at = begun_at

    def hurry(self) -> None:
        """Begins its next piece of work at once."""
        self._awake.set()

    def finish(self) -> None:
        """Begins nothing new."""
        self._finishing = True
        self._awake.set()

    async def _work(self) -> None:
        raise NotImplementedError

    async def _rest(self, mean: float) -> None:
        """Some time, so many seconds in the mean, unless there is a hurry."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0, 2 * mean)):
                await self._awake.wait()
        self._awake.clear()


class Poster(HttpWorker):
    """Posts messages under idempotency keys, each until there is an answer, and some of them again later."""

    name = "poster"

    def __init__(self, person: Person, rooms: Sequence[str], *, seed: str, pause: float) -> None:
        super().__init__(seed, person.troubles, pause)
        self._person = person
        self._rooms = rooms

    async def _work(self) -> None:
        id, text = str(UUID(int=self._random.getrandbits(128), version=4)), f"{self._random.getrandbits(64):016x}"
        command = self._person.new_command(id, self._random.choice(self._rooms), "send", text=text)
        await eventually(partial(self._is_posted, command), within=math.inf, every=_AGAIN_S)
        self._person.recent.append(command)
        if self._random.random() < 0.1:
            await self._person.post(self._random.choice(self._person.recent))

    async def _is_posted(self, command: Command) -> bool:
        return await self._person.post(command) in (200, 201)


class Moderator(HttpWorker):
    """Removes people from rooms that it owns, and adds them back."""

    name = "moderator"

    def __init__(self, person: Person, others: Sequence[Person], rooms: Sequence[str], *, seed: str) -> None:
        super().__init__(seed, person.troubles, _OUT_FOR_S)
        self._person = person
        self._others = others
        self._rooms = rooms

    async def _work(self) -> None:
        room_id, other = self._random.choice(self._rooms), self._random.choice(self._others)
        await self._person.change("remove", room_id, other)
        await other.page(room_id, "messages")
        await self._rest(_OUT_FOR_S)
        await self._person.change("add", room_id, other)


class Registrar(HttpWorker):
    """Registers people, each until there is an answer, sometimes twice at once; asks whether their emails are
    available; deletes some of their accounts, and registers some of those emails anew."""

    name = "registrar"

    def __init__(self, http: httpx.AsyncClient, history: History, *, seed: str, pause: float) -> None:
        super().__init__(seed, [], pause)
        self._http = http
        self._history = history
        self._prefix = f"{self._random.getrandbits(48):012x}"
        self._count = 0
        self._known: list[str] = []

    async def _work(self) -> None:
        self._count += 1
        email = f"{self._prefix}-{self._count}@example.com"
        await self._ask(email)
        if self._random.random() < 0.2:
            await asyncio.gather(self._register(email), self._register(email))
        else:
            await self._register(email)
        self._known.append(email)
        await self._ask(email)
        if self._random.random() < 0.1:
            await self._delete_and_register_anew(self._known.pop(self._random.randrange(len(self._known))))
        if self._known:
            await self._ask(self._random.choice(self._known[-20:]))

    async def log_in(self, email: str) -> int | None:
        sent_at = time.monotonic()
        response = await self._answer(login(self._http, email))
        status = None if response is None else response.status_code
        self._history.logins.append(Login(email, sent_at, time.monotonic(), status))
        return status

    async def _register(self, email: str) -> None:
        """A 409 to an attempt after one without an answer means that that one was kept."""
        await eventually(partial(self._is_registered, email), within=math.inf, every=_AGAIN_S)

    async def _is_registered(self, email: str) -> bool:
        username = f"u{self._random.getrandbits(64):016x}"
        sent_at = time.monotonic()
        body = {"email": email, "username": username, "password": PASSWORD, "display_name": "Somebody"}
        response = await self._answer(self._http.post("/api/v1/users", json=body))
        status = None if response is None else response.status_code
        code = response.json()["code"] if response is not None and response.status_code == 409 else None
        self._history.registrations.append(Registration(email, sent_at, time.monotonic(), status, code))
        return status in (201, 409)

    async def _ask(self, email: str) -> None:
        """With the case of its letters changed, which makes no difference."""
        sent_at = time.monotonic()
        response = await self._answer(self._http.post("/api/v1/users/availability", json={"email": email.title()}))
        available = response.json()["available"] if response is not None and response.status_code == 200 else None
        self._history.availabilities.append(Availability(email, sent_at, time.monotonic(), available))

    async def _delete_and_register_anew(self, email: str) -> None:
        response = await self._answer(login(self._http, email))
        if response is None or response.status_code != 200:
            return
        headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
        body: Json = {"password": PASSWORD}
        sent_at = time.monotonic()
        response = await self._answer(self._http.request("DELETE", "/api/v1/users/me", json=body, headers=headers))
        status = None if response is None else response.status_code
        self._history.deletions.append(Deletion(email, sent_at, time.monotonic(), status))
        if self._random.random() < 0.5:
            await self._register(email)

    async def _answer(self, request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response | None:
        try:
            response = await request
        except httpx.TransportError as error:
            self.troubles.append(Trouble(time.monotonic(), type(error).__name__, unanswered=True))
            return None
        if response.status_code >= 500:
            what = f"{response.request.url.path}: {response.status_code}"
            self.troubles.append(Trouble(time.monotonic(), what))
            return None
        return response
