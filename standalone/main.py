"""The composition: what the compose stack is made of, in one process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import bloom_service.config
import bloom_service.main
import chat_service.config
import chat_service.main
import gateway_ws.config
import gateway_ws.main
import user_service.config
import user_service.main
from common.health import Check
from messaging.bus import Bus
from standalone.data_folder import DataFolder
from standalone.origin import new_origin


def create_app(data: DataFolder, bus: Bus) -> FastAPI:
    """All four services on `data`'s migrated databases, each with its own middleware, behind one origin.

    Between services HTTP goes from application to application without a socket. Whoever composes it starts and stops
    `bus`.
    """
    service_token = data.secret("service_token")

    async def ask_user_service(scope: Scope, receive: Receive, send: Send) -> None:
        # which asks bloom_service itself, and so is made after it
        await user(scope, receive, send)

    bloom = bloom_service.main.create_app(
        bloom_service.config.Settings(service_token=service_token, data_dir=data.path / "bloom_service"),
        bus,
        _client(ask_user_service),
    )
    user = user_service.main.create_app(
        user_service.config.Settings(
            database_url=data.database_url("user_service"),
            service_token=service_token,
            signing_key=data.secret("signing_key"),
            email_digest_key=data.secret("email_digest_key"),
            email_digest_second_key=None,
        ),
        bus,
        _client(bloom),
    )
    chat = chat_service.main.create_app(
        chat_service.config.Settings(database_url=data.database_url("chat_service"), service_token=service_token),
        bus,
        _client(user),
    )
    gateway = gateway_ws.main.create_app(
        gateway_ws.config.Settings(service_token=service_token), bus, _client(chat), _client(user)
    )

    # the last one ends first: before what it asks
    services = {"user_service": user, "chat_service": chat, "gateway_ws": gateway, "bloom_service": bloom}
    checks: dict[str, Check] = {
        f"{name}: {thing}": check for name, app in services.items() for thing, check in app.state.checks.items()
    }
    origin = new_origin(user_service=user, chat_service=chat, gateway_ws=gateway, checks=checks)

    @asynccontextmanager
    async def lifespan(_origin: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in services.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    origin.router.lifespan_context = lifespan
    return origin


def _client(app: ASGIApp) -> httpx.AsyncClient:
    # a bug in the sibling is a 500 here too, not an exception
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://standalone")
