"""One connection: who it is, and the one way by which anything is written to it."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from prometheus_client import Counter

from common.rate import TokenBucket
from common.tokens import Claims
from contracts.fields import Contract
from contracts.frames import CloseCode, Error, ErrorCode, RoomRemoved
from gateway_ws.protocol import GatewayProtocol, text_frame

DELIVERED = Counter("parley_gateway_frames", "Frames handed to connections")
NEWS_DROPPED = Counter("parley_gateway_news_dropped", "Passing news dropped for slow connections")
CLOSED = Counter("parley_gateway_closes", "Connections closed by the gateway", ["code"])

_SLICE_BYTES = 128 * 1024
"""So much is handed to a socket at once; the rest waits here, as frames shared with the other connections."""

_PATIENCE_S = 1.0
_PATIENT_FACTOR = 8
"""A burst may pass the bound that often for so long, since a socket that keeps up needs a moment to take it."""


class Flusher:
    """Joins what one tick of the event loop brings for a connection into one write: of rooms first."""

    def __init__(self) -> None:
        self._flushes: list[Callable[[], int]] = []
        self._waiting: list[Connection] = []
        self._is_due = False

    def add(self, connection: "Connection") -> None:
        self._waiting.append(connection)
        self._flush_soon()

    def add_rooms(self, flush: Callable[[], int]) -> None:
        """`flush` says how many frames it has delivered."""
        self._flushes.append(flush)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            DELIVERED.inc(flush())
        waiting, self._waiting = self._waiting, []
        self._is_due = False
        for connection in waiting:
            connection.flush()


class Connection:
    """Frames go out in the order in which they are handed in; only `room_for_more` waits.

    What is unsent is bounded: from a quarter of `max_unsent_bytes` on presence waits for better times, from half of it
    on all passing news is dropped; a connection that is beyond it and has taken nothing for a second, or is far beyond
    it, is closed with 4008. So is one that has taken nothing for `max_stall` seconds.

    `deliver` takes whole frames. It is the transport's own `write` while nothing else waits and the socket takes more,
    so that a broadcast asks nothing of each connection. `on_end` is called once, when nothing can be sent any more.
    """

    __slots__ = (
        "_bytes",
        "_flush_due",
        "_flusher",
        "_frames",
        "_max_stall",
        "_max_unsent_bytes",
        "_paused_at",
        "_protocol",
        "_write",
        "bucket",
        "changing_rooms",
        "claims",
        "deliver",
        "on_end",
        "refused_frames",
        "warned_of_expiry",
    )

    def __init__(
        self, protocol: GatewayProtocol, flusher: Flusher, bucket: TokenBucket, max_unsent_bytes: int, max_stall: float
    ) -> None:
        self._protocol = protocol
        self._flusher = flusher
        self._max_unsent_bytes = max_unsent_bytes
        self._max_stall = max_stall
        self._frames: list[bytes] = []
        self._bytes = 0
        self._flush_due = False
        self._paused_at: float | None = None
        self._write = protocol.transport.write
        self.deliver: Callable[[bytes], None] = self._write
        self.on_end: Callable[[], None] | None = None
        self.bucket = bucket
        self.refused_frames = 0
        self.claims: Claims | None = None
        self.warned_of_expiry = False
        self.changing_rooms = asyncio.Lock()
        protocol.on_pause = self._paused
        protocol.on_resume = self._resumed
        protocol.on_end = self._ended

    @property
    def user_id(self) -> UUID:
        """Only of a connection that has said hello."""
        if self.claims is None:
            raise RuntimeError("nobody has said hello")
        return self.claims.user_id

    @property
    def is_open(self) -> bool:
        return self._protocol.is_open

    def send(self, frame: Contract) -> None:
        self.queue(text_frame(frame.model_dump_json(exclude_none=isinstance(frame, Error)).encode()))

    def queue(self, frames: bytes, number: int = 1) -> None:
        """Send so many whole frames together with what else comes in this tick."""
        if self.is_open:
            DELIVERED.inc(number)
            self._keep(frames)

    def queue_news(self, frame: bytes) -> None:
        """Send a frame, or drop it if much is waiting."""
        if self._unsent_bytes > self._max_unsent_bytes // 2:
            NEWS_DROPPED.inc()
            return
        self.queue(frame)

    @property
    def has_room_for_presence(self) -> bool:
        return self._unsent_bytes <= self._max_unsent_bytes // 4

    async def room_for_more(self) -> None:
        """Wait until the socket takes more, or the connection is closed. For what can be paced."""
        while self.is_open and self._bytes > _SLICE_BYTES:
            self.flush()
            await self._protocol.writable.wait()

    def removed(self, room_id: UUID, reason: Literal["left", "removed", "room_deleted"]) -> None:
        self.send(RoomRemoved(room_id=room_id, reason=reason))

    def error(self, code: ErrorCode, detail: str, id: UUID | None = None, retry_after: float | None = None) -> None:
        self.send(Error(id=id, code=code, detail=detail, retry_after=retry_after))

    def close(self, code: CloseCode, reason: str) -> None:
        if not self.is_open:
            return
        CLOSED.labels(str(int(code))).inc()
        if code is CloseCode.SLOW_CONSUMER:
            self._drop_all()
        self._protocol.close_with(code, reason)

    def close_if_slow(self) -> None:
        if self._paused_at is None:
            return
        stalled_for = time.monotonic() - self._paused_at
        unsent = self._unsent_bytes
        if stalled_for > self._max_stall:
            self.close(CloseCode.SLOW_CONSUMER, "nothing was read for too long")
        elif unsent > self._max_unsent_bytes * (1 if stalled_for > _PATIENCE_S else _PATIENT_FACTOR):
            self.close(CloseCode.SLOW_CONSUMER, "unread bytes passed the bound")

    def flush(self) -> None:
        """Hand the socket what it takes."""
        self._flush_due = False
        while self._frames and self._paused_at is None:
            self._write_slice()
        if self._paused_at is None and self.is_open:
            self.deliver = self._write
        self.close_if_slow()

    @property
    def _unsent_bytes(self) -> int:
        return self._bytes + self._protocol.unsent_bytes

    def _keep(self, frames: bytes) -> None:
        self.deliver = self._keep
        self._frames.append(frames)
        self._bytes += len(frames)
        if not self._flush_due:
            self._flush_due = True
            self._flusher.add(self)

    def _write_slice(self) -> None:
        size = number = 0
        while number < len(self._frames) and size < _SLICE_BYTES:
            size += len(self._frames[number])
            number += 1
        frames = self._frames[:number]
        del self._frames[:number]
        self._bytes -= size
        self._write(frames[0] if number == 1 else b"".join(frames))

    def _drop_all(self) -> None:
        self._frames.clear()
        self._bytes = 0

    def _paused(self) -> None:
        self._paused_at = time.monotonic()
        self.deliver = self._keep

    def _resumed(self) -> None:
        self._paused_at = None
        self.flush()

    def _ended(self) -> None:
        """Before the close frame, or the end without one: what waits still goes out, and nothing after it."""
        if not self._protocol.transport.is_closing():
            self._write(b"".join(self._frames))
        self._drop_all()
        self.deliver = _drop
        if self.on_end is not None:
            self.on_end()


def _drop(_frames: bytes) -> None:
    """To a connection that is closing, nothing is written."""
