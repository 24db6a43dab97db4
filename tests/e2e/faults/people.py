"""Those who use the product in a run, and what they ask of it over HTTP."""

import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import httpx

from tests.e2e.faults.history import Change, Command, Event, Gap, History, Json, Page, Post, abridged
from tests.e2e.faults.signing_in import SigningIn
from tests.support.client import new_credentials

_REMEMBERED = 200
_PAGE, _LONG_PAGE = 20, 200

_OF_OTHERS_DOING = (403, 404)
"""A room left meanwhile, a member removed meanwhile."""

Answer = httpx.Response | None

_BUG = re.compile(r"^(login|refresh): 4\d\d$|: (500|4(?!01|03|04)\d\d)$")
"""A token may have run out by a clock that was wrong, a room been left meanwhile."""


class Trouble(NamedTuple):
    """What somebody was told, or met with, that nobody should while nothing is at fault. `unanswered`: the connection
    of a request was lost, or none was had, or nobody was let in on it."""

    at: float
    what: str
    unanswered: bool = False

    @property
    def is_bug(self) -> bool:
        """Whether it is an answer over HTTP that a correct client never gets, not even from what is at fault."""
        return _BUG.search(self.what) is not None


class Person:
    """`recent` are the latest commands, over whichever connection: to be sent again now and then. `troubles` are
    those over HTTP."""

    def __init__(self, http: httpx.AsyncClient, history: History, own: Json) -> None:
        self.id: str = own["id"]
        self.username: str = own["username"]
        self.recent: deque[Command] = deque(maxlen=_REMEMBERED)
        self.troubles: list[Trouble] = []
        self._http = http
        self._history = history
        self._signing_in = SigningIn(http, self.username, self._in_trouble)

    @classmethod
    async def register(cls, http: httpx.AsyncClient, history: History) -> "Person":
        """Somebody new, while nothing is at fault yet."""
        response = await http.post("/api/v1/users", json=new_credentials())
        assert response.status_code == 201, response.text
        return cls(http, history, response.json())

    async def token(self, *, new: bool = False) -> str | None:
        """An access token that is good for some minutes; None if there is none to be had right now."""
        return await self._signing_in.token(new=new)

    async def request(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        """None if there was no answer, or none that says what became of the request."""
        token = await self.token()
        if token is None:
            return None
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        try:
            response = await self._http.request(method, f"/api/v1{path}", headers=headers, **options)
        except httpx.TransportError as error:
            self._in_trouble(type(error).__name__, unanswered=True)
            return None
        if response.status_code == 401:
            self._signing_in.refused(token)
        if response.status_code >= 400 and response.status_code not in _OF_OTHERS_DOING:
            self._in_trouble(f"{method} {path}: {response.status_code}")
        return None if response.status_code == 401 or response.status_code >= 500 else response

    async def create_room(self) -> str:
        """A public one, while nothing is at fault yet."""
        response = await self.request("POST", "/rooms", json={"kind": "public", "name": "A room"})
        assert response is not None
        assert response.status_code == 201, response.text
        room_id: str = response.json()["id"]
        return room_id

    async def join(self, room_ids: Iterable[str]) -> None:
        for room_id in room_ids:
            await self.change("join", room_id)

    async def change(self, action: str, room_id: str, of: "Person | None" = None) -> int | None:
        """`join` or `leave` a room, or `add` or `remove` somebody else; returns the status."""
        person = of or self
        sent_at = time.monotonic()
        match action:
            case "join" | "leave":
                response = await self.request("POST", f"/rooms/{room_id}/{action}")
            case "add":
                path = f"/rooms/{room_id}/members/{person.id}"
                response = await self.request("PUT", path, json={"role": "member"})
            case _:
                response = await self.request("DELETE", f"/rooms/{room_id}/members/{person.id}")
        status = _status(response)
        self._history.changes.append(Change(action, room_id, person.id, sent_at, time.monotonic(), status))
        return status

    async def page(self, room_id: str, what: str, **params: int) -> tuple[Event, ...]:
        """Reads the room's `messages` or `events`, whether one may or not; returns the events."""
        sent_at = time.monotonic()
        response = await self.request("GET", f"/rooms/{room_id}/{what}", params={"limit": _PAGE, **params})
        events: tuple[Event, ...] = ()
        if what == "events" and response is not None and response.status_code == 200:
            events = tuple(map(Event.of, response.json()["items"]))
        self._history.pages.append(Page(room_id, self.id, sent_at, time.monotonic(), _status(response), events))
        return events

    async def page_skipped(self, gap: Gap) -> None:
        """Reads what a gap has skipped, as far as one may and gets an answer."""
        after = gap.after
        while after + 1 < gap.before and (
            events := await self.page(gap.room_id, "events", after=after, limit=_LONG_PAGE)
        ):
            after = events[-1].seq

    async def post(self, command: Command) -> int | None:
        """Posts a message under the command's id; returns the status."""
        sent_at = time.monotonic()
        response = await self.request(
            "POST",
            f"/rooms/{command.room_id}/messages",
            json={"text": command.text},
            headers={"Idempotency-Key": command.id},
        )
        told: tuple[str, int, str] | tuple[()] = ()
        if response is not None and response.status_code in (200, 201):
            message = response.json()
            told = (message["id"], message["seq"], message["at"])
        status = _status(response)
        self._history.posts.append(Post(self.id, command.id, sent_at, time.monotonic(), status, *told))
        return status

    async def rooms(self) -> dict[str, int] | None:
        """The heads of the rooms that one is a member of; None if they can't be had right now."""
        heads: dict[str, int] = {}
        cursor: Json = {}
        while True:
            response = await self.request("GET", "/rooms", params={"limit": 100, **cursor})
            if response is None or response.status_code != 200:
                return None
            page = response.json()
            heads |= {room["id"]: room["head"] for room in page["items"]}
            if page["next"] is None:
                return heads
            cursor = {"cursor": page["next"]}

    def new_command(self, id: str, room_id: str, kind: str, **content: Any) -> Command:
        """A command that is being made. The history has it with its text abridged."""
        command = Command(id, self.id, room_id, kind, **content)
        told = command.text and abridged(command.text)
        self._history.commands[self.id, id] = command if told == command.text else replace(command, text=told)
        return command

    def _in_trouble(self, what: str, unanswered: bool = False) -> None:
        self.troubles.append(Trouble(time.monotonic(), what, unanswered))


def _status(response: Answer) -> int | None:
    return None if response is None else response.status_code
