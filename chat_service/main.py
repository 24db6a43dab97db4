"""The application: what it is made of, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from fastapi import FastAPI

from chat_service.config import Settings
from chat_service.models import Outbox
from chat_service.routers import internal, members, messages, moderation, rooms, search
from chat_service.routers.dependencies import Services
from chat_service.services.commands import CommandHandler
from chat_service.services.logs import Logs
from chat_service.services.members import Members
from chat_service.services.messages import Messages
from chat_service.services.moderation import Moderation
from chat_service.services.refusals import forget_refused
from chat_service.services.room_erasure import RoomErasure
from chat_service.services.rooms import Rooms
from chat_service.services.search import Search
from chat_service.services.user_events import UserEventHandler
from chat_service.services.users import Users
from common.app import new_app
from common.database import Database
from common.database_errors import install_database_error_handler
from common.tokens import TokenVerifier, fetch_keys_over_http
from contracts.topology import CHAT_USER_EVENTS, COMMAND_QUEUES
from messaging.bus import Bus
from messaging.outbox import OutboxRelay

NAME = "chat_service"


def create_app(settings: Settings, bus: Bus, user_service: httpx.AsyncClient) -> FastAPI:
    """The service on a migrated database. Whoever composes it starts and stops `bus`; `user_service`, whose base URL
    is user_service's, is closed with the application."""
    service_token = settings.service_token.get_secret_value()
    # a connection for each partition's batch, for the relay, and for requests
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=len(COMMAND_QUEUES) + 10,
        patience=settings.database_patience,
    )
    relay = OutboxRelay(database, Outbox, bus, name=NAME)
    erasure = RoomErasure(database)
    users = Users(database, user_service, service_token)
    verifier = TokenVerifier(fetch_keys_over_http(user_service))
    commands = CommandHandler(database, bus)
    for queue in COMMAND_QUEUES:
        bus.consume(queue, commands.handle)
    bus.consume(CHAT_USER_EVENTS, UserEventHandler(database, committed=relay.nudge).handle)

    async def broker_missing() -> str | None:
        return None if bus.connected else "the broker can't be reached"

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = (relay.run(), forget_refused(database), erasure.run())
        tasks = [asyncio.create_task(one) for one in running]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await user_service.aclose()
            await database.close()

    app = new_app(
        NAME,
        lifespan=lifespan,
        routers=[
            rooms.router,
            members.router,
            moderation.router,
            messages.router,
            search.router,
            internal.router,
        ],
        checks={"database": database.missing, "broker": broker_missing, "signing_keys": verifier.missing},
    )
    install_database_error_handler(app)
    app.state.service_token = service_token
    app.state.verifier = verifier
    app.state.services = Services(
        rooms=Rooms(database, users, committed=relay.nudge, deleted=erasure.nudge),
        members=Members(database, users, committed=relay.nudge),
        moderation=Moderation(database, users, committed=relay.nudge),
        messages=Messages(database, committed=relay.nudge),
        logs=Logs(database),
        search=Search(database),
    )
    return app
