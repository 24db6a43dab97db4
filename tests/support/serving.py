"""A service on a socket and in a thread of its own, for libraries that know nothing of event loops."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol, TypeVar

import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from structlog.testing import capture_logs

from tests.support.eventually import eventually


class Running(Protocol):
    @property
    def app(self) -> FastAPI: ...


AnyService = TypeVar("AnyService", bound=Running)


@contextmanager
def in_a_thread(running: AbstractAsyncContextManager[AnyService]) -> Iterator[tuple[AnyService, BlockingPortal, str]]:
    """The service, the portal to its event loop, and its address."""
    with (
        # nothing is written from its thread: pytest may just be exchanging the files to write to
        capture_logs(),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running) as service,
        portal.wrap_async_context_manager(listening(service.app)) as url,
    ):
        yield service, portal, url


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The address of an application whose lifespan has been entered already, with what else belongs to the service."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))

        async def started() -> bool:
            return server.started

        await eventually(started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
