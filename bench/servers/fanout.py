"""`python -m bench.servers.fanout PORT`: the gateway's protocol, connections and hub, and nothing else of it.

Who connects with the path `/` listens to one room; what comes as a text frame from `/publish` is an entry of it.
"""

import socket
import sys
import time
from functools import partial
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from common.ids import now, uuid7
from common.rate import TokenBucket
from contracts.entries import MessagePosted
from contracts.messages import RoomEntry
from gateway_ws.connection import Connection, Flusher
from gateway_ws.hub import Hub
from gateway_ws.protocol import EXTENSION, UVICORN_OPTIONS, text_frame
from gateway_ws.room import Prepared

ROOM = UUID(int=1)


class _Listener(Connection):
    @property
    def user_id(self) -> UUID:
        return UUID(int=0)


class Room:
    def __init__(self) -> None:
        self._flusher = Flusher()
        self._hub = Hub(flush_soon=self._flusher.add_rooms)
        self._seq = 0

    async def listen(self, websocket: WebSocket) -> None:
        await websocket.accept()
        protocol = websocket.scope["extensions"][EXTENSION]
        connection = _Listener(protocol, self._flusher, TokenBucket.full(1, 1, time.monotonic()), 2**20, 10)
        self._hub.listen(connection, ROOM)
        self._hub.release(connection, ROOM, self._seq)
        connection.on_end = partial(self._hub.leave_all, connection)
        protocol.hand_over(lambda _: None)

    async def publish(self, websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.scope["extensions"][EXTENSION].hand_over(self._heard)

    def _heard(self, text: str) -> None:
        self._seq += 1
        entry = RoomEntry(
            room_id=ROOM, seq=self._seq, kind=MessagePosted.kind, actor_id=ROOM, id=uuid7(), at=now(), data={}
        )
        self._hub.offer(Prepared(entry, text_frame(text.encode())))


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("listening\n")
        sys.stdout.flush()


def main() -> None:
    room = Room()
    app = Starlette(routes=[WebSocketRoute("/", room.listen), WebSocketRoute("/publish", room.publish)])
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off", backlog=4096, **UVICORN_OPTIONS
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
