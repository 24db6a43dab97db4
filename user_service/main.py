"""The application: what it is made of, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from fastapi import FastAPI
from pwdlib import PasswordHash

from common.app import new_app
from common.database import Database
from common.database_errors import install_database_error_handler
from common.tokens import TokenVerifier
from messaging.bus import Bus
from messaging.outbox import OutboxRelay
from user_service.config import Settings, decode_seed
from user_service.events import Watermarks
from user_service.models import Outbox
from user_service.routers import auth, internal, users
from user_service.routers.dependencies import Services
from user_service.services.accounts import Accounts
from user_service.services.availability import Availability, EmailFilter
from user_service.services.circuit import CircuitBreaker
from user_service.services.digest_export import DigestExport
from user_service.services.digest_upkeep import DigestUpkeep
from user_service.services.directory import Directory
from user_service.services.emails import EmailDigests
from user_service.services.pace import Pace
from user_service.services.passwords import Passwords
from user_service.services.rate_limits import RateLimits
from user_service.services.sessions import Sessions
from user_service.services.signing import SigningKey

NAME = "user_service"


def create_app(
    settings: Settings,
    bus: Bus,
    bloom: httpx.AsyncClient,
    *,
    password_hash: PasswordHash | None = None,
    pace: Pace | None = None,
) -> FastAPI:
    """The service on a migrated database. Whoever composes it starts and stops `bus`; `bloom`, whose base URL is
    bloom_service's, is closed with the application. `password_hash` is by default as strong as it should be."""
    service_token = settings.service_token.get_secret_value()
    database = Database(settings.database_url.get_secret_value(), patience=settings.database_patience)
    second_key = settings.email_digest_second_key
    digests = EmailDigests(
        settings.email_digest_key.get_secret_value(), None if second_key is None else second_key.get_secret_value()
    )
    upkeep = DigestUpkeep(database, digests)
    relay = OutboxRelay(database, Outbox, bus, name=NAME, on_empty=Watermarks(database, bus, digests.key_ids))
    passwords = Passwords(password_hash or PasswordHash.recommended())
    signing_key = SigningKey(decode_seed(settings.signing_key.get_secret_value()))
    email_filter = EmailFilter(bloom, service_token, CircuitBreaker())

    async def fetch_keys() -> dict[str, Any]:
        return signing_key.key_set()

    async def broker_missing() -> str | None:
        return None if bus.connected else "the broker can't be reached"

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in (relay.run(), upkeep.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await bloom.aclose()
            await database.close()

    app = new_app(
        NAME,
        lifespan=lifespan,
        routers=[users.router, auth.router, auth.keys, internal.router],
        checks={"database": database.missing, "broker": broker_missing},
    )
    install_database_error_handler(app)
    app.state.service_token = service_token
    app.state.verifier = TokenVerifier(fetch_keys)
    app.state.services = Services(
        accounts=Accounts(database, passwords, digests, committed=relay.nudge),
        sessions=Sessions(database, passwords, signing_key, committed=relay.nudge),
        directory=Directory(database),
        availability=Availability(database, digests, email_filter),
        digest_export=DigestExport(database, digests),
        signing_key=signing_key,
        rate_limits=RateLimits(
            availability_checks=settings.availability_checks_per_hour,
            registrations=settings.registrations_per_hour,
            logins=settings.logins_per_hour,
            failed_logins=settings.failed_logins_per_hour,
        ),
        pace=pace or Pace(),
    )
    return app
