"""`/ws`: the life of one connection."""

import asyncio
import math
import time
from dataclasses import dataclass
from functools import partial

import structlog
from fastapi import APIRouter, WebSocket

from common.rate import TokenBucket
from contracts.frames import SUBPROTOCOL, CloseCode, ErrorCode, Hello
from gateway_ws.config import Settings
from gateway_ws.connection import Connection, Flusher
from gateway_ws.handlers import BadFrame, Handlers, parse
from gateway_ws.hub import Hub
from gateway_ws.pending import PendingCommands
from gateway_ws.presence import Presence
from gateway_ws.protocol import EXTENSION, GatewayProtocol
from gateway_ws.sessions import Sessions

router = APIRouter()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a connection needs; `app.state.gateway`."""

    settings: Settings
    flusher: Flusher
    hub: Hub
    sessions: Sessions
    pending: PendingCommands
    presence: Presence
    handlers: Handlers

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has been welcomed."""
        self.presence.left(connection)
        self.forget(connection)

    def forget(self, connection: Connection) -> None:
        self.hub.leave_all(connection)
        self.sessions.remove(connection)


@router.websocket("/ws")
async def serve(websocket: WebSocket) -> None:
    """From the handshake to the welcome. Served by `gateway_ws.protocol.GatewayProtocol` only, which calls for what is
    said after that: who only listens costs no task.

    The token comes in the first frame, so no cookie is looked at and any origin may connect.
    """
    gateway: Gateway = websocket.app.state.gateway
    settings = gateway.settings
    protocol: GatewayProtocol = websocket.scope["extensions"][EXTENSION]
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    bucket = TokenBucket.full(settings.frames_per_second, settings.frames_burst, time.monotonic())
    connection = Connection(protocol, gateway.flusher, bucket, settings.max_unsent_bytes, settings.max_stall)
    try:
        is_welcome = await _said_hello(websocket, connection, gateway)
    except Exception:
        log.exception("connection_failed")
        connection.close(CloseCode.INTERNAL_ERROR, "internal error")
        is_welcome = False
    if is_welcome and connection.is_open:
        gateway.presence.arrived(connection)
        connection.on_end = partial(gateway.leave, connection)
        protocol.hand_over(partial(_heard, gateway, connection))
    else:
        gateway.forget(connection)


async def _said_hello(websocket: WebSocket, connection: Connection, gateway: Gateway) -> bool:
    try:
        async with asyncio.timeout(gateway.settings.hello_timeout):
            text = await _receive(websocket, connection)
    except TimeoutError:
        connection.close(CloseCode.UNAUTHORIZED, "no hello in time")
        return False
    if text is None:
        return False
    try:
        frame = parse(text)
    except BadFrame as error:
        connection.error(ErrorCode.BAD_FRAME, str(error), error.id)
        frame = None
    if not isinstance(frame, Hello):
        connection.close(CloseCode.UNAUTHORIZED, "the first frame is hello")
        return False
    return await gateway.handlers.hello(connection, frame)


def _heard(gateway: Gateway, connection: Connection, text: str | None) -> None:
    """A frame after the hello; None if it is not text."""
    try:
        if text is None:
            connection.close(CloseCode.NOT_TEXT, "frames are text")
        elif _may_go_on(connection, gateway.settings, text):
            gateway.handlers.handle(connection, parse(text))
    except BadFrame as error:
        connection.error(ErrorCode.BAD_FRAME, str(error), error.id)
    except Exception:
        log.exception("connection_failed")
        connection.close(CloseCode.INTERNAL_ERROR, "internal error")


async def _receive(websocket: WebSocket, connection: Connection) -> str | None:
    """The first text frame, or None when the connection has ended."""
    message = await websocket.receive()
    if message["type"] != "websocket.receive" or not connection.is_open:
        return None
    text: str | None = message.get("text")
    if text is None:
        connection.close(CloseCode.NOT_TEXT, "frames are text")
    return text


def _may_go_on(connection: Connection, settings: Settings, text: str) -> bool:
    """Whether this frame is within the rate. One that is not is refused; too many of those end the connection.

    They are forgiven once half a burst would be taken again: a flood has some of its frames taken all along.
    """
    wait = connection.bucket.take(time.monotonic())
    if connection.bucket.level >= settings.frames_burst / 2:
        connection.refused_frames = 0
    if wait == 0:
        return True
    connection.refused_frames += 1
    if connection.refused_frames >= settings.max_refused_frames:
        connection.close(CloseCode.TOO_MANY_FRAMES, f"too many frames; retry after {math.ceil(wait)} s")
    else:
        try:
            frame_id = getattr(parse(text), "id", None)
        except BadFrame as error:
            frame_id = error.id
        connection.error(
            ErrorCode.RATE_LIMITED, "Too many frames.", frame_id, retry_after=math.ceil(wait * 1000) / 1000
        )
    return False
