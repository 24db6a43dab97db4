"""The application: what it is made of, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from fastapi import FastAPI

from bloom_service.config import Settings
from bloom_service.events import UserEvents
from bloom_service.export import Export
from bloom_service.freshness import Freshness
from bloom_service.replicas import folder_of
from bloom_service.routers import emails as emails_router
from bloom_service.services.emails import Emails
from bloom_service.services.rebuilds import Rebuilds
from bloom_service.snapshot import FilterFiles
from common.app import new_app
from contracts.topology import bloom_user_events
from messaging.bus import Bus

NAME = "bloom_service"


def create_app(settings: Settings, bus: Bus, user_service: httpx.AsyncClient, *, replica: int = 1) -> FastAPI:
    """The service with its files in this replica's folder in `data_dir`. Whoever composes it starts and stops `bus`;
    `user_service`, whose base URL is user_service's, is closed with the application."""
    service_token = settings.service_token.get_secret_value()
    folder = folder_of(replica, settings.data_dir)
    files = FilterFiles(folder, settings.bloom_capacity, settings.bloom_error_rate)
    emails = Emails(files, Freshness(), lambda: bus.connected)
    rebuilds = Rebuilds(emails, Export(user_service, service_token))
    bus.consume(bloom_user_events(replica), UserEvents(emails))

    async def broker_missing() -> str | None:
        return None if bus.connected else "the broker can't be reached"

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await emails.open()
        rebuilding = asyncio.create_task(rebuilds.run())
        try:
            yield
        finally:
            rebuilding.cancel()
            with suppress(asyncio.CancelledError):
                await rebuilding
            emails.close()
            await user_service.aclose()

    app = new_app(
        NAME,
        lifespan=lifespan,
        routers=[emails_router.router],
        checks={"broker": broker_missing},
    )
    app.state.service_token = service_token
    app.state.emails = emails
    return app
