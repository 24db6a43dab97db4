"""A client of the product's public interface: users over HTTP, connections over WebSocket."""

import asyncio
import contextlib
import json
import secrets
import socket as sockets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.shapes import Json, ok

PASSWORD = "correct-horse-battery-staple"

Found = TypeVar("Found")


def new_command_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody knows of their own account. Not bound to an event loop, so it may outlive one test."""

    id: str
    email: str
    username: str
    display_name: str
    access_token: str
    refresh_token: str
    password: str = PASSWORD


def new_credentials() -> Json:
    """A body for a registration that nobody has used."""
    name = f"u{secrets.token_hex(8)}"
    return {"email": f"{name}@example.com", "username": name, "password": PASSWORD, "display_name": f"User {name[:5]}"}


async def post_json(http: httpx.AsyncClient, path: str, body: Json, **headers: str) -> httpx.Response:
    """Posts a body that may hold what UTF-8 can't, such as half of a surrogate pair, as JSON in ASCII."""
    return await http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json", **headers})


async def login(http: httpx.AsyncClient, username: str, password: str = PASSWORD) -> httpx.Response:
    return await http.post("/api/v1/auth/token", data={"username": username, "password": password})


class User:
    """Somebody who is signed in."""

    def __init__(self, http: httpx.AsyncClient, account: Account) -> None:
        self.http = http
        self.account = account

    @classmethod
    async def register(cls, http: httpx.AsyncClient, credentials: Json | None = None) -> "User":
        credentials = credentials or new_credentials()
        own = ok(await http.post("/api/v1/users", json=credentials), 201)
        return await cls.sign_in(http, own, credentials["password"])

    @classmethod
    async def sign_in(cls, http: httpx.AsyncClient, own: Json, password: str = PASSWORD) -> "User":
        """A new session of a user that exists. `own` is what the registration answered."""
        tokens = ok(await login(http, own["username"], password))
        account = Account(
            id=own["id"],
            email=own["email"],
            username=own["username"],
            display_name=own["display_name"],
            access_token=tokens["access_token"],
            refresh_token=tokens["refresh_token"],
            password=password,
        )
        return cls(http, account)

    @property
    def id(self) -> str:
        return self.account.id

    async def another_session(self) -> "User":
        tokens = ok(await login(self.http, self.account.username, self.account.password))
        return User(
            self.http,
            replace(self.account, access_token=tokens["access_token"], refresh_token=tokens["refresh_token"]),
        )

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.account.access_token}", **(headers or {})}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Json | None = None) -> httpx.Response:
        return await self.request("POST", path, json=body)

    async def put(self, path: str, body: Json | None = None) -> httpx.Response:
        return await self.request("PUT", path, json=body)

    async def patch(self, path: str, body: Json) -> httpx.Response:
        return await self.request("PATCH", path, json=body)

    async def delete(self, path: str, body: Json | None = None) -> httpx.Response:
        return await self.request("DELETE", path, json=body)

    async def logout(self) -> None:
        response = await self.post("/auth/logout", {"refresh_token": self.account.refresh_token})
        assert response.status_code == 204, response.text

    async def create_room(self, kind: str = "private", **fields: str) -> Json:
        room: Json = ok(await self.post("/rooms", {"kind": kind, "name": "A room", **fields}), 201)
        return room

    async def add(self, room_id: str, user: "User", role: str = "member") -> None:
        response = await self.put(f"/rooms/{room_id}/members/{user.id}", {"role": role})
        assert response.is_success, response.text

    async def remove(self, room_id: str, user: "User") -> None:
        response = await self.delete(f"/rooms/{room_id}/members/{user.id}")
        assert response.is_success, response.text

    async def ban(self, room_id: str, user: "User") -> None:
        response = await self.put(f"/rooms/{room_id}/bans/{user.id}")
        assert response.status_code == 204, response.text

    async def mute(self, room_id: str, user: "User", seconds: float = 3600) -> str:
        """Until so many seconds from now: returns that time."""
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        until = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        response = await self.put(f"/rooms/{room_id}/mutes/{user.id}", {"until": until})
        assert response.status_code == 204, response.text
        return until

    async def room(self, room_id: str) -> Json:
        room: Json = ok(await self.get(f"/rooms/{room_id}"))
        return room

    async def send(
        self, room_id: str, text: str, *, key: str | None = None, reply_to: str | None = None
    ) -> httpx.Response:
        """Posts a message over HTTP."""
        body = {"text": text} if reply_to is None else {"text": text, "reply_to": reply_to}
        headers = {"Idempotency-Key": key or new_command_id()}
        return await self.request("POST", f"/rooms/{room_id}/messages", json=body, headers=headers)

    async def log(self, room_id: str, after: int = 0) -> list[Json]:
        """Everything that the room's log has after a seq, page by page."""
        events: list[Json] = []
        while True:
            page = ok(await self.get(f"/rooms/{room_id}/events", after=after, limit=100))
            events += page["items"]
            if not page["items"] or page["items"][-1]["seq"] >= page["head"]:
                return events
            after = page["items"][-1]["seq"]

    async def messages(self, room_id: str) -> list[Json]:
        """The newest 200 of the room's messages, oldest first."""
        page = ok(await self.get(f"/rooms/{room_id}/messages", limit=200))
        return list(reversed(page["items"]))

    async def texts(self, room_id: str) -> list[str]:
        """The texts in the room's log, oldest first."""
        return [event["data"]["text"] for event in await self.log(room_id) if event["kind"] == "message.posted"]


class Socket:
    """One WebSocket connection, read in the background.

    Of every event it checks what G4 and G5 promise: each room's events arrive in seq order, each once, from the
    resume point on; what is skipped is named by a `gap`; none comes after `room_removed`. A breach makes every
    further wait, and `close`, fail.

    `frames` is everything that has arrived, in order; `seen` the last seq per room, ready to resume from;
    `answers` the acks and errors of each command by its id.
    """

    def __init__(self, connection: ClientConnection, resume: Mapping[str, int] | None = None) -> None:
        self.connection = connection
        self.resume = dict(resume or {})
        self.frames: list[Json] = []
        self.seen: dict[str, int] = {}
        self.answers: dict[str, list[Json]] = {}
        self.welcome: Json = {}
        self.breach: str | None = None
        self._rooms: dict[str, int] = {}  # with the head that was told when the room was
        self._inbox: list[Json] = []
        self._news = asyncio.Event()
        self._budget = Budget()
        self._reader = asyncio.create_task(self._read())

    # --- what arrives

    async def expect(self, type: str, *, within: float = 10, **fields: Any) -> Json:
        """Takes the oldest frame of this type with these fields that no one has taken yet; waits for it if need be."""

        def take() -> Json | None:
            for frame in self._inbox:
                if frame["type"] == type and all(frame.get(name) == value for name, value in fields.items()):
                    self._inbox.remove(frame)
                    return frame
            return None

        return await self._wait_for(take, within, f"{type} {fields}")

    async def expect_text(self, room_id: str, text: str, *, within: float = 10) -> Json:
        """Takes the event that posted this text."""

        def take() -> Json | None:
            for frame in self._inbox:
                if frame["type"] == "event" and frame["room_id"] == room_id and frame["data"].get("text") == text:
                    self._inbox.remove(frame)
                    return frame
            return None

        return await self._wait_for(take, within, f"the text {text[:80]!r}")

    async def reach(self, room_id: str, seq: int, *, within: float = 10) -> None:
        """Waits until the room's log has arrived up to this seq."""
        await self._wait_for(lambda: self.seen.get(room_id, 0) >= seq or None, within, f"seq {seq} of {room_id}")

    async def answer(self, command_id: str, *, within: float = 10) -> Json:
        """The one `ack` or `error` for a command."""
        answers = await self._wait_for(lambda: self.answers.get(command_id), within, f"an answer to {command_id}")
        return answers[0]

    async def close_code(self, *, within: float = 10) -> int:
        """Waits until the connection has ended and returns the code; 1006 if it was cut off without one."""

        def ended() -> int | None:
            return (self.connection.close_code or 1006) if self._reader.done() else None

        return await self._wait_for(ended, within, "a close", even_if_closed=True)

    async def news(self, *, within: float = 10) -> None:
        """Waits for the next frame, or the end of the connection."""
        count = len(self.frames)
        await self._wait_for(
            lambda: (len(self.frames) > count or self.closed) or None, within, "any frame", even_if_closed=True
        )

    def received(self, type: str, **fields: Any) -> list[Json]:
        """All frames so far of this type with these fields."""
        return [
            frame
            for frame in self.frames
            if frame["type"] == type and all(frame.get(name) == value for name, value in fields.items())
        ]

    @property
    def closed(self) -> bool:
        return self._reader.done()

    # --- what is sent

    async def hello(self, token: str, **fields: Any) -> Json:
        """Says hello and returns the welcome."""
        hello = {"type": "hello", "token": token, **fields}
        if self.resume:
            hello["resume"] = self.resume
        await self.send_raw(json.dumps(hello))
        self.welcome = await self.expect("welcome")
        return self.welcome

    async def command(self, type: str, **fields: Any) -> None:
        """Sends a frame, within the rate that the welcome has named."""
        await self._budget.spend()
        await self.send_raw(json.dumps({"type": type, **fields}, ensure_ascii=False))

    async def send(self, room_id: str, text: str, *, id: str | None = None, reply_to: str | None = None) -> str:
        """Sends a message and returns the command's id without waiting for the answer."""
        command_id = id or new_command_id()
        optional = {} if reply_to is None else {"reply_to": reply_to}
        await self.command("send", id=command_id, room_id=room_id, text=text, **optional)
        return command_id

    async def post(self, room_id: str, text: str, *, id: str | None = None, reply_to: str | None = None) -> Json:
        """Sends a message and returns its ack."""
        answer = await self.answer(await self.send(room_id, text, id=id, reply_to=reply_to))
        assert answer["type"] == "ack", answer
        return answer

    async def edit(self, room_id: str, message_id: str, text: str, *, id: str | None = None) -> str:
        """Edits a message and returns the command's id without waiting for the answer; so do `delete` and `react`."""
        command_id = id or new_command_id()
        await self.command("edit", id=command_id, room_id=room_id, message_id=message_id, text=text)
        return command_id

    async def delete(self, room_id: str, message_id: str, *, id: str | None = None) -> str:
        command_id = id or new_command_id()
        await self.command("delete", id=command_id, room_id=room_id, message_id=message_id)
        return command_id

    async def react(
        self, room_id: str, message_id: str, emoji: str = "👍", *, on: bool = True, id: str | None = None
    ) -> str:
        command_id = id or new_command_id()
        await self.command("react", id=command_id, room_id=room_id, message_id=message_id, emoji=emoji, on=on)
        return command_id

    async def send_raw(self, data: str | bytes, *, text: bool | None = None) -> None:
        """Sends one frame as it is: a str as text, bytes as binary unless `text` says otherwise."""
        await self.connection.send(data, text=text)

    async def stall(self) -> None:
        """Stops reading, so that what the server sends piles up."""
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    def go_on(self) -> None:
        """Reads again after `stall`."""
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        await self.connection.close()
        await self.stall()
        assert self.breach is None, self.breach

    # --- inside

    async def _read(self) -> None:
        try:
            while True:
                self._note(json.loads(await self.connection.recv()))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    def _note(self, frame: Json) -> None:
        self.frames.append(frame)
        self._inbox.append(frame)
        match frame["type"]:
            case "welcome":
                for room in frame["rooms"]:
                    self._rooms[room["id"]] = room["head"]
                    self.seen[room["id"]] = self.resume.get(room["id"], room["head"])
                self._budget = Budget(frame["limits"]["frames_per_second"], frame["limits"]["frames_burst"])
            case "event":
                self._note_event(frame)
            case "gap":
                if frame["after"] != self.seen.get(frame["room_id"]) or frame["before"] < frame["after"] + 2:
                    self._breach(frame)
                self.seen[frame["room_id"]] = frame["before"] - 1
            case "room_added":
                self._rooms[frame["room"]["id"]] = frame["room"]["head"]
            case "room_removed":
                self._rooms.pop(frame["room_id"], None)
                self.seen.pop(frame["room_id"], None)
            case "ack" | "error" if frame.get("id"):
                self.answers.setdefault(frame["id"], []).append(frame)

    def _note_event(self, event: Json) -> None:
        room_id, seq = event["room_id"], event["seq"]
        last = self.seen.get(room_id)
        if room_id not in self._rooms:
            self._breach(event)
        elif last is None:  # the first since `room_added`
            if seq > self._rooms[room_id] + 1:
                self._breach(event)
        elif seq != last + 1:
            self._breach(event)
        self.seen[room_id] = seq

    def _breach(self, frame: Json) -> None:
        last = self.seen.get(frame["room_id"])
        member = frame["room_id"] in self._rooms
        self.breach = self.breach or f"after seq {last} (member: {member}) came {str(frame)[:500]}"

    async def _wait_for(
        self, probe: Callable[[], Found | None], within: float, what: str, *, even_if_closed: bool = False
    ) -> Found:
        try:
            async with asyncio.timeout(within):
                while True:
                    assert self.breach is None, self.breach
                    self._news.clear()
                    if (found := probe()) is not None:
                        return found
                    if self.closed and not even_if_closed:
                        raise AssertionError(f"closed with {self.connection.close_code} before {what}; {self._tail()}")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {within} s; {self._tail()}") from None

    def _tail(self) -> str:
        return f"the last of {len(self.frames)} frames: {[str(frame)[:300] for frame in self.frames[-5:]]}"


class Budget:
    """Keeps a client within the rate that the server has named, with a tenth to spare."""

    def __init__(self, per_second: float = 1000, burst: int = 1000) -> None:
        self._per_second = per_second * 0.9
        self._burst = max(1.0, burst * 0.9)
        self._left = self._burst
        self._at = time.monotonic()

    async def spend(self) -> None:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)


async def open_socket(
    base_url: str,
    *,
    resume: Mapping[str, int] | None = None,
    subprotocol: str | None = "parley.v1",
    query: str = "",
    receive_buffer: int | None = None,
) -> Socket:
    """A connection on which nothing has been said yet.

    With a `receive_buffer` of so many bytes, little of what is not read stays on this side.
    """
    address = urlsplit(base_url)
    options: dict[str, Any] = {}
    if receive_buffer is not None:
        sock = sockets.socket()
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
        options = {"sock": sock, "max_queue": 1}
    connection = await connect(
        f"ws://{address.netloc}/ws{query and '?'}{query}",
        subprotocols=None if subprotocol is None else [subprotocol],  # type: ignore[list-item]
        compression=None,
        proxy=None,
        ping_interval=None,
        close_timeout=2,
        max_size=None,
        **options,
    )
    return Socket(connection, resume)


@contextlib.asynccontextmanager
async def new_http_client(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=30, trust_env=False) as http:
        yield http
