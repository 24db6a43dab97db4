"""The application: what it is made of, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import structlog
from fastapi import FastAPI

from common.app import new_app
from common.ids import uuid7
from common.tokens import TokenVerifier, fetch_keys_over_http
from contracts.frames import Limits
from contracts.messages import MarkRead, SessionRevoked
from contracts.routing import EVENTS, EVERYBODY, MEMBERS, PRESENCE, REPLIES, origin_of
from gateway_ws.chat_client import ChatClient, ChatUnavailable
from gateway_ws.commands import Command, CommandPublisher
from gateway_ws.config import Settings
from gateway_ws.connection import Flusher
from gateway_ws.entrance import Entrance
from gateway_ws.events import Events
from gateway_ws.handlers import Handlers
from gateway_ws.hub import Hub
from gateway_ws.news import NewsPublisher
from gateway_ws.pending import PendingCommands
from gateway_ws.presence import Presence
from gateway_ws.repair import Repair
from gateway_ws.router import Gateway, router
from gateway_ws.session_check import SessionCheck
from gateway_ws.sessions import Sessions
from gateway_ws.shards import Shards
from gateway_ws.user_client import UserClient
from messaging.bus import Binding, Bus

NAME = "gateway_ws"

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings, bus: Bus, chat_service: httpx.AsyncClient, user_service: httpx.AsyncClient
) -> FastAPI:
    """The gateway. Whoever composes it starts and stops `bus`, and serves it with
    `gateway_ws.protocol.UVICORN_OPTIONS`; the clients, whose base URLs are the services', are closed with it."""
    gateway_id = f"gateway-{uuid7()}"
    flusher = Flusher()
    hub = Hub(flush_soon=flusher.add_rooms)
    sessions = Sessions(settings.token_warning)
    service_token = settings.service_token.get_secret_value()
    chat = ChatClient(chat_service, service_token, settings.chat_patience)
    session_check = SessionCheck(sessions, UserClient(user_service, service_token))
    verifier = TokenVerifier(fetch_keys_over_http(user_service))
    pending = PendingCommands(origin_of(gateway_id), settings.answer_patience, settings.command_timeout)
    limits = Limits(frames_per_second=settings.frames_per_second, frames_burst=settings.frames_burst)

    async def on_reset() -> None:
        """The queue was lost and made anew: whatever came meanwhile is looked up."""
        session_check.want(sessions.ids())
        await repair.compare_heads_until_done()
        # after the entries: a room left and joined again is missing only once the removal has been passed on
        events.reconcile()

    async def compare_heads() -> None:
        try:
            await repair.compare_heads()
        except ChatUnavailable as error:
            log.warning("heads_not_compared", reason=str(error))

    def not_published(command: Command) -> None:
        if not isinstance(command, MarkRead):
            pending.unpublished(command.user_id, command.command_id)

    queue = bus.listen(
        NAME,
        [
            Binding(MEMBERS, EVERYBODY),
            Binding(PRESENCE, EVERYBODY),
            Binding(REPLIES, gateway_id),
            Binding(EVENTS, SessionRevoked.type),
        ],
        lambda deliveries: events(deliveries),
        on_reset=on_reset,
    )
    shards = Shards(queue)
    repair = Repair(hub, chat, lambda entry: events.take_entry(entry), settings.hole_patience)
    entrance = Entrance(hub, shards, chat, pending, repair, limits, settings.replay_limit)
    presence = Presence(gateway_id, bus, settings.presence_interval, settings.presence_linger)
    events = Events(hub, sessions, pending, entrance, repair, presence)
    publisher = CommandPublisher(bus, not_published, settings.broker_patience)
    news = NewsPublisher(bus)

    async def sweep_each_second() -> None:
        while True:
            await asyncio.sleep(1)
            sessions.sweep()
            pending.expire()
            for sending in pending.overdue():
                publisher.submit(sending)

    async def sweep_now_and_then() -> None:
        while True:
            await asyncio.sleep(settings.sweep_interval)
            await compare_heads()
            await shards.keep(hub.rooms)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        works = (repair.run, presence.run, session_check.run, sweep_each_second, sweep_now_and_then)
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await publisher.close()
            await news.close()
            await events.close()
            await chat_service.aclose()
            await user_service.aclose()

    async def broker_missing() -> str | None:
        return None if bus.connected else "the broker can't be reached"

    app = new_app(
        NAME,
        lifespan=lifespan,
        routers=[router],
        checks={"broker": broker_missing, "signing keys": verifier.missing, "chat_service": chat.missing},
    )
    app.state.gateway = Gateway(
        settings=settings,
        flusher=flusher,
        hub=hub,
        sessions=sessions,
        pending=pending,
        presence=presence,
        handlers=Handlers(
            gateway_id=gateway_id,
            hub=hub,
            sessions=sessions,
            session_check=session_check,
            verifier=verifier,
            entrance=entrance,
            pending=pending,
            publisher=publisher,
            news=news,
            presence=presence,
        ),
    )
    return app
