"""The naive way in Python: Starlette under uvicorn, and each subscriber awaited in turn."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

BACKLOG = 4096

subscribers: list[WebSocket] = []


async def subscribe(websocket: WebSocket) -> None:
    await websocket.accept()
    subscribers.append(websocket)
    async for _ in websocket.iter_text():
        pass
    subscribers.remove(websocket)


async def publish(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        for subscriber in subscribers.copy():
            try:
                await subscriber.send_text(text)
            except WebSocketDisconnect:
                continue  # its own task takes it off the list


def main() -> None:
    app = Starlette(routes=[WebSocketRoute("/", subscribe), WebSocketRoute("/publish", publish)])
    config = uvicorn.Config(
        app,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="warning",
        timeout_graceful_shutdown=1,
        backlog=BACKLOG,
    )
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=BACKLOG) as listener:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
