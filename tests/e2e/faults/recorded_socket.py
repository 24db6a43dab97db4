"""One WebSocket connection, read in the background: what is sent and received goes into its record."""

import asyncio
import json
import socket as sockets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.e2e.faults.history import (
    Ack,
    Command,
    Connection,
    Error,
    Event,
    Gap,
    Json,
    News,
    ReadOn,
    RoomAdded,
    RoomRemoved,
    Sent,
    Stalled,
    WelcomeRoom,
)
from tests.support.client import Budget

_ANSWERS_WITHIN_S = 10
_STARTS_AS_EVENT = '{"type":"event"'


class Heard(NamedTuple):
    """An event as its record, and as it came."""

    record: Event
    frame: Json


@lru_cache(maxsize=1024)
def _event(raw: str) -> Heard:
    """Everybody in a room gets the same bytes: they are read once, and the record is shared."""
    frame: Json = json.loads(raw)
    return Heard(Event.of(frame), frame)


class NotLetIn(Exception):
    """No welcome came. `code` is that of the error, or of the close."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RecordedSocket:
    """`positions` are the last seq of each room that one is in, ready to resume from. `unanswered` counts the sendings
    of each command that have had no answer. `news` is set by answers, and by the end. `on_frame` is told of every ack,
    error, event and gap, as they came. `left_by_us`: it would have gone on, had the client not ended it."""

    def __init__(self, websocket: ClientConnection, record: Connection, on_frame: Callable[[Json], None]) -> None:
        self.record = record
        self.positions: dict[str, int] = {}
        self.unanswered: Counter[str] = Counter()
        self.news = asyncio.Event()
        self.left_by_us = False
        self._websocket = websocket
        self._on_frame = on_frame
        self._budget = Budget()
        self._reader = asyncio.create_task(self._read())
        self._ended = False

    @classmethod
    async def open(
        cls, base_url: str, record: Connection, on_frame: Callable[[Json], None], *, slow: bool = False
    ) -> "RecordedSocket":
        """Raises OSError, TimeoutError, WebSocketException."""
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                return cls(await _connect(base_url, slow=slow), record, on_frame)
        except (OSError, TimeoutError, WebSocketException):
            record.close_code, record.closed_at = 1006, time.monotonic()
            raise

    @property
    def is_open(self) -> bool:
        return not self._ended

    async def hello(self, token: str) -> None:
        """Raises `NotLetIn`."""
        hello: Json = {"type": "hello", "token": token}
        if self.record.resume:
            hello["resume"] = self.record.resume
        await self._say(hello)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                while self.record.welcome is None and self.is_open:
                    await self.wait()
        if self.record.welcome is None:
            await self.close()
            raise NotLetIn(str(self.record.close_code))

    async def command(self, command: Command) -> None:
        """Sends a command, within the rate that the server has named."""
        await self._budget.spend()
        self.unanswered[command.id] += 1
        self.record.records.append(Sent(command.id, time.monotonic()))
        await self._say(_frame(command))

    async def passing(self, type: str, **fields: Any) -> None:
        """Sends a frame that nobody answers."""
        await self._budget.spend()
        await self._say({"type": type, **fields})

    async def wait(self, seconds: float = _ANSWERS_WITHIN_S) -> None:
        """Until there is news, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()

    async def stall(self, seconds: float) -> None:
        """Reads nothing for a while, unless there is news from our side."""
        self.record.records.append(Stalled(time.monotonic()))
        await self._stop_reading()
        await self.wait(seconds)
        self.record.records.append(ReadOn(time.monotonic()))
        self._reader = asyncio.create_task(self._read())

    async def cut(self) -> None:
        """Drops the TCP connection, with whatever is on its way."""
        self._websocket.transport.abort()
        await self.close()

    async def close(self) -> None:
        self.left_by_us = self.left_by_us or self.is_open
        with suppress(OSError, WebSocketException):
            await self._websocket.close()
        await self._stop_reading()
        self._end()

    async def _say(self, frame: Json) -> None:
        with suppress(ConnectionClosed):  # which the reader finds too
            await self._websocket.send(json.dumps(frame, ensure_ascii=False))

    async def _stop_reading(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        try:
            while True:
                raw = await self._websocket.recv()
                assert isinstance(raw, str)
                if raw.startswith(_STARTS_AS_EVENT):
                    self._note_event(_event(raw))
                else:
                    self._note(json.loads(raw))
        except ConnectionClosed:
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self.record.closed_at = time.monotonic()
            self.record.close_code = int(self._websocket.close_code or 1006)
            self.news.set()

    def _note_event(self, event: Heard) -> None:
        self.record.records.append(event.record)
        self.positions[event.record.room_id] = event.record.seq
        self._on_frame(event.frame)

    def _note(self, frame: Json) -> None:
        now, records = time.monotonic(), self.record.records
        match frame["type"]:
            case "event":
                self._note_event(Heard(Event.of(frame), frame))
            case "welcome":
                self.record.welcome = [WelcomeRoom(room["id"], room["head"]) for room in frame["rooms"]]
                self.positions = {
                    room_id: self.record.resume.get(room_id, head) for room_id, head in self.record.welcome
                }
                self._budget = Budget(frame["limits"]["frames_per_second"], frame["limits"]["frames_burst"])
                self.news.set()
            case "gap":
                records.append(Gap(frame["room_id"], frame["after"], frame["before"]))
                self.positions[frame["room_id"]] = frame["before"] - 1
                self._on_frame(frame)
            case "room_added":
                room_id, head = frame["room"]["id"], frame["room"]["head"]
                records.append(RoomAdded(room_id, head))
                self.positions[room_id] = head
            case "room_removed":
                records.append(RoomRemoved(frame["room_id"], frame["reason"]))
                self.positions.pop(frame["room_id"], None)
            case "read" | "typing":
                records.append(News(frame["room_id"], frame["type"]))
            case "ack":
                records.append(_ack(frame, now))
                self._answered(frame)
            case "error":
                records.append(Error(frame.get("id"), frame["code"], now))
                self._answered(frame)
            case "token_expiring":
                self._on_frame(frame)

    def _answered(self, frame: Json) -> None:
        if (command_id := frame.get("id")) is not None:
            self.unanswered[command_id] -= 1
            if self.unanswered[command_id] <= 0:
                del self.unanswered[command_id]
        self._on_frame(frame)
        self.news.set()


def _ack(frame: Json, now: float) -> Ack:
    return Ack(
        command_id=frame["id"],
        room_id=frame["room_id"],
        seq=frame["seq"],
        message_id=frame["message_id"],
        at=frame["at"],
        duplicate=frame["duplicate"],
        received_at=now,
    )


def _frame(command: Command) -> Json:
    optional = ("text", "reply_to", "message_id", "emoji", "on")
    content = {name: value for name in optional if (value := getattr(command, name)) is not None}
    return {"type": command.kind, "id": command.id, "room_id": command.room_id, **content}


async def _connect(base_url: str, *, slow: bool) -> ClientConnection:
    """With `slow`, little of what is not read stays on this side, and nobody minds that pings are not answered."""
    address = urlsplit(base_url)
    options: dict[str, Any] = {"ping_interval": 10, "ping_timeout": 20}
    if slow:
        sock = sockets.socket()
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 16 * 1024)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (address.hostname, address.port))
        except BaseException:
            sock.close()
            raise
        options = {"sock": sock, "max_queue": 1, "ping_interval": None}
    return await connect(
        f"ws://{address.netloc}/ws",
        subprotocols=["parley.v1"],  # type: ignore[list-item]
        compression=None,
        proxy=None,
        close_timeout=2,
        max_size=None,
        **options,
    )
