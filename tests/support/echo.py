"""`python -m tests.support.echo [MAX_BYTES]`: answers each WebSocket message with itself, served as the gateway is.

At `/` messages are received one by one, as the gateway receives its first; at `/handed_over` the protocol calls for
each, as it does for all that follow, and only text is answered. Text goes out as the gateway's frames do. MAX_BYTES is
for messages larger than those that the gateway takes.
"""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fastapi import FastAPI, WebSocket

from common.server import serve
from gateway_ws.protocol import EXTENSION, UVICORN_OPTIONS, GatewayProtocol, text_frame


@contextmanager
def echo_server(max_bytes: int | None = None) -> Iterator[str]:
    """`ws://…` of one in a process of its own. Fails at the end if that had anything to complain of."""
    arguments = [] if max_bytes is None else [str(max_bytes)]
    command = [sys.executable, "-W", "error", "-m", "tests.support.echo", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address
            yield address
        finally:
            process.terminate()
            _, complaints = process.communicate()
            assert not complaints, complaints
            assert process.returncode == 0


async def echo(websocket: WebSocket) -> None:
    protocol = await _accepted(websocket)
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if (data := message.get("bytes")) is not None:
            await websocket.send_bytes(data)
        else:
            _answer(protocol, message["text"])
            await protocol.writable.wait()


async def echo_handed_over(websocket: WebSocket) -> None:
    protocol = await _accepted(websocket)
    protocol.hand_over(partial(_answer, protocol))


async def _accepted(websocket: WebSocket) -> GatewayProtocol:
    await websocket.accept()
    protocol: GatewayProtocol = websocket.scope["extensions"][EXTENSION]
    return protocol


def _answer(protocol: GatewayProtocol, text: str | None) -> None:
    if text is not None and protocol.is_open:
        protocol.transport.write(text_frame(text.encode()))


class _Nothing:
    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


def main(max_bytes: int | None = None) -> None:
    app = FastAPI()
    app.add_api_websocket_route("/", echo)
    app.add_api_websocket_route("/handed_over", echo_handed_over)
    options = UVICORN_OPTIONS if max_bytes is None else {**UVICORN_OPTIONS, "ws_max_size": max_bytes}
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    serve(app, _Nothing(), host="127.0.0.1", port=0, listening=_say, **options)


def _say(address: str) -> None:
    sys.stdout.write(f"{address.replace('http', 'ws', 1)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
