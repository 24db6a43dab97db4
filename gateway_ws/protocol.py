"""The uvicorn WebSocket protocol whose transport the gateway writes to itself.

A broadcast is framed once, and the same bytes are written to every connection. What is used of uvicorn's class beyond
its public face: `scope`, `request`, `response`, `transport`, `conn`, `queue`, `writable`, `close_sent`, `close_timer`,
`read_paused`, `ping_sent_at`, `pong_timer`, `schedule_ping`; of websockets' below it: `recv_frame`, `current_size`.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from contracts.frames import MAX_FRAME_BYTES, CloseCode
from gateway_ws.client_frames import CommonFramesProtocol

EXTENSION = "parley.protocol"
"""Where an application finds the protocol: `scope["extensions"][EXTENSION]`."""

PING_INTERVAL_S = 20.0
CLOSE_GRACE_S = 5.0
"""How long a peer that was told the reason may take to leave."""

LINGER_S = 1.0
"""How long a peer that broke the protocol is still read from."""


def text_frame(payload: bytes) -> bytes:
    """One whole, unmasked text frame (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return struct.pack("!BB", 0x81, length) + payload
    if length < 65536:
        return struct.pack("!BBH", 0x81, 126, length) + payload
    return struct.pack("!BBQ", 0x81, 127, length) + payload


class _Nobody:
    """What is for the application's task, when that has ended."""

    @staticmethod
    def put_nowait(_message: object) -> None:
        pass


_NOBODY = _Nobody()


class _ServerProtocol(ServerProtocol):
    """Answers a close frame in the middle of a message as any other: with its own code. To websockets it would be a
    protocol error, but RFC 6455 lets control frames stand there (section 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class GatewayProtocol(CommonFramesProtocol):
    """`on_pause`, `on_resume` and `on_end` are called when the socket takes no more, takes more again, and, once, when
    nothing more may be written after what is written then: before the close frame, or when the connection is lost."""

    on_pause: Callable[[], None] | None = None
    on_resume: Callable[[], None] | None = None
    on_end: Callable[[], None] | None = None
    _on_message: Callable[[str | None], None] | None = None
    _heard_at = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = _ServerProtocol(max_size=self.config.ws_max_size, logger=self.logger)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            cast(dict[str, Any], self.scope["extensions"])[EXTENSION] = self

    @property
    def is_open(self) -> bool:
        return self.conn.state is State.OPEN and not self.transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        return self.transport.get_write_buffer_size()

    def close_with(self, code: int, reason: str) -> None:
        """Send a close frame, whatever is unsent, and cut the connection if the peer does not leave soon."""
        if not self.is_open:
            return
        self._end()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self._write_close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.on_pause is not None:
            self.on_pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_resume is not None:
            self.on_resume()

    def handle_close(self, event: Frame) -> None:
        self._end()
        super().handle_close(event)
        self._cut_later()

    def handle_parser_exception(self) -> None:
        """What the peer is still sending is read and dropped for a moment: to close a socket with bytes unread would
        reset the connection, and the peer might never see the reason."""
        if self.close_sent or self.conn.close_sent is None:
            return
        self._end()
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._write_close()
        self.loop.call_later(LINGER_S, self.transport.close)

    def hand_over(self, on_message: Callable[[str | None], None]) -> None:
        """From now on each message goes there, None for one that is not text; the application's task may end, and the
        connection stays."""
        self._on_message = on_message
        while self.is_open and not self.queue.empty():
            message = cast(Mapping[str, Any], self.queue.get_nowait())
            on_message(message.get("text"))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # most of what an idle connection holds, and nobody asks for any more
        self.queue = cast(Any, _NOBODY)
        del self.scope, self.request, self.response

    async def run_asgi(self) -> None:
        try:
            await self.app(self.scope, self.receive, self.send)
        except Exception:
            self.logger.exception("Exception in ASGI application")
            self.send_500_response()
        if self._on_message is None and self.close_timer is None:
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        data, self.frames = b"".join(self.frames), []
        is_text = self.curr_msg_data_type == "text"
        if self.close_sent:
            return
        try:
            text = data.decode() if is_text else None
        except UnicodeDecodeError:
            if self.conn.state is State.OPEN:  # and no close frame came together with it
                self.conn.send_close(CloseCode.NOT_UTF8)
                self.handle_parser_exception()
            return
        if self._on_message is not None:
            self._on_message(text)
            return
        if text is None:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)

    def keepalive_timeout(self) -> None:
        """A pong may stand behind much that the peer has yet to read. Whoever says anything is there."""
        if self._heard_at > self.ping_sent_at:
            self.pong_timer = None
            self.schedule_ping()
            return
        self._end()
        super().keepalive_timeout()
        self.transport.abort()

    def shutdown(self) -> None:
        self._end()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _end(self) -> None:
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()

    def _write_close(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._cut_later()

    def _cut_later(self) -> None:
        # close() alone would wait for ever for a peer that does not read
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)


UVICORN_OPTIONS: dict[str, Any] = {
    "ws": GatewayProtocol,
    "ws_max_size": MAX_FRAME_BYTES,
    "ws_per_message_deflate": False,
    "ws_ping_interval": PING_INTERVAL_S,
    "ws_ping_timeout": PING_INTERVAL_S,
}
"""What uvicorn has to be told to serve the gateway."""
