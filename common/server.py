"""Runs an application under uvicorn until SIGINT or SIGTERM, then ends in order."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI

SHUTDOWN_S = 3
"""How long requests in hand and closing WebSockets are waited for."""


class Background(Protocol):
    """Something that works while the application is served, and is stopped before its resources go."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


Listening = Callable[[str], None]
"""Told the address, such as `http://127.0.0.1:8000`, once connections are accepted there."""


_NEW_OBJECTS = 10_000
"""Before they are looked through for garbage: as many belong to what is on its way at a time. By default it is 700, and
a tenth of a busy service's time goes there."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: Listening | None) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # what is there now stays until the end: no collection has to go through it, with everything else at a halt
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, 10, 10)
        if self.started and self._listening is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal that was obeyed is not raised again: to be told to end is no failure."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def serve(
    app: FastAPI,
    background: Background,
    *,
    host: str,
    port: int,
    listening: Listening | None = None,
    trusted_proxies: str = "",
    **options: Any,
) -> None:
    """Blocks until told to end. `options` are uvicorn's. Exits with code 1 if it can't start.

    Who the client is (`request.client`), is what the connection says. For one from `trusted_proxies` (addresses and
    networks, separated by commas) it is the last in `X-Forwarded-For` that is none of them.

    Start: the application's lifespan, then `background`, then the socket. End: no new connections, WebSockets closed
    with 1012, requests finished, `background` stopped, the lifespan left.
    """
    app.router.lifespan_context = _around(app.router.lifespan_context, background)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        **{"ws": "none", **options},
    )
    server = _Server(config, listening)
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve())
    except SystemExit:
        # uvicorn's, whose own code for this is 3
        raise SystemExit(1) from None


def _around(lifespan: Any, background: Background) -> Any:
    @asynccontextmanager
    async def around(app: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            await background.start()
            try:
                yield state
            finally:
                await background.stop()

    return around
