"""The application: what it is made of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from bloom_service.config import Settings
from bloom_service.events import UserEvents
from bloom_service.freshness import Freshness
from bloom_service.routers import emails as emails_router
from bloom_service.services.emails import Emails
from bloom_service.snapshot import FilterFiles
from common.app import new_app
from contracts.topology import BLOOM_USER_EVENTS
from messaging.bus import Bus

NAME = "bloom_service"


def create_app(settings: Settings, bus: Bus) -> FastAPI:
    """The service with its files in `data_dir`. Whoever composes it starts and stops `bus`."""
    freshness = Freshness()
    files = FilterFiles(settings.data_dir, settings.bloom_capacity, settings.bloom_error_rate)
    emails = Emails(files, freshness, lambda: bus.connected)
    bus.consume(BLOOM_USER_EVENTS, UserEvents(emails, freshness))

    async def broker_missing() -> str | None:
        return None if bus.connected else "the broker can't be reached"

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await emails.open()
        try:
            yield
        finally:
            emails.close()

    app = new_app(
        NAME,
        lifespan=lifespan,
        routers=[emails_router.router],
        checks={"broker": broker_missing},
    )
    app.state.service_token = settings.service_token.get_secret_value()
    app.state.emails = emails
    return app
