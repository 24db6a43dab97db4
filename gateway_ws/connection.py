"""One connection: who it is, and the one way by which anything is written to it."""

import asyncio
import time
from contextlib import suppress
from typing import Literal
from uuid import UUID

from prometheus_client import Counter

from common.tokens import Claims
from contracts.fields import Contract
from contracts.frames import CloseCode, Error, ErrorCode, RoomRemoved
from gateway_ws.protocol import GatewayProtocol, text_frame
from gateway_ws.rate import TokenBucket

DELIVERED = Counter("parley_gateway_frames", "Frames handed to connections")
NEWS_DROPPED = Counter("parley_gateway_news_dropped", "Passing news dropped for slow connections")
CLOSED = Counter("parley_gateway_closes", "Connections closed by the gateway", ["code"])


_DRAIN_CHECK_S = 0.05
"""Also looked at by itself, since a socket may take much without having refused anything."""


class Flusher:
    """Joins what one tick of the event loop brings for a connection into one write."""

    def __init__(self) -> None:
        self._waiting: list[Connection] = []

    def add(self, connection: "Connection") -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(connection)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()


class Connection:
    """Frames go out in the order in which they are handed in; nothing here waits.

    Unsent bytes are bounded by `max_unsent_bytes`: from half of that passing news is dropped, beyond it the connection
    is closed with 4008.
    """

    def __init__(self, protocol: GatewayProtocol, flusher: Flusher, bucket: TokenBucket, max_unsent_bytes: int) -> None:
        self._protocol = protocol
        self._flusher = flusher
        self._max_unsent_bytes = max_unsent_bytes
        self._frames: list[bytes] = []
        self._bytes = 0
        self._paused_at: float | None = None
        self._drained = asyncio.Event()
        self.bucket = bucket
        self.refused_frames = 0
        self.claims: Claims | None = None
        self.warned_of_expiry = False
        self.changing_rooms = asyncio.Lock()
        protocol.on_pause = self._paused
        protocol.on_resume = self._resumed
        protocol.on_shutdown = self.flush

    @property
    def user_id(self) -> UUID:
        """Only of a connection that has said hello."""
        if self.claims is None:
            raise RuntimeError("nobody has said hello")
        return self.claims.user_id

    @property
    def is_open(self) -> bool:
        return self._protocol.is_open

    def stalled_for(self) -> float:
        """Seconds for which the socket has taken nothing."""
        return 0.0 if self._paused_at is None else time.monotonic() - self._paused_at

    def send(self, frame: Contract) -> None:
        self.deliver(text_frame(frame.model_dump_json(exclude_none=isinstance(frame, Error)).encode()))

    def deliver(self, frame: bytes) -> None:
        """Send a frame that is framed already."""
        if not self._frames:
            self._flusher.add(self)
        self._frames.append(frame)
        self._bytes += len(frame)

    async def room_for_more(self) -> None:
        """Wait until less than half of the bound is unsent, or the connection is closed. For what can be paced."""
        while self.is_open and self._bytes + self._protocol.unsent_bytes > self._max_unsent_bytes // 2:
            self._drained.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_CHECK_S):
                    await self._drained.wait()

    def deliver_news(self, frame: bytes) -> None:
        """Send a frame, or drop it if much is waiting."""
        if self._bytes + self._protocol.unsent_bytes > self._max_unsent_bytes // 2:
            NEWS_DROPPED.inc()
            return
        self.deliver(frame)

    def removed(self, room_id: UUID, reason: Literal["left", "removed", "room_deleted"]) -> None:
        self.send(RoomRemoved(room_id=room_id, reason=reason))

    def error(self, code: ErrorCode, detail: str, id: UUID | None = None, retry_after: float | None = None) -> None:
        self.send(Error(id=id, code=code, detail=detail, retry_after=retry_after))

    def close(self, code: CloseCode, reason: str) -> None:
        if not self.is_open:
            return
        CLOSED.labels(str(int(code))).inc()
        if code is CloseCode.SLOW_CONSUMER:
            self._frames.clear()
        self.flush()
        self._protocol.close_with(code, reason)

    def flush(self) -> None:
        frames, self._frames, self._bytes = self._frames, [], 0
        if not frames or not self.is_open:
            return
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        if len(data) + self._protocol.unsent_bytes > self._max_unsent_bytes:
            self.close(CloseCode.SLOW_CONSUMER, "unread bytes passed the bound")
            return
        DELIVERED.inc(len(frames))
        self._protocol.write_frames(data)

    def _paused(self) -> None:
        self._paused_at = time.monotonic()

    def _resumed(self) -> None:
        self._paused_at = None
        self._drained.set()
