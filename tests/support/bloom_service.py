"""A running bloom_service, and a stand-in for user_service that tells it of accounts."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from bloom_service.config import Settings
from bloom_service.main import create_app
from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import Payload, UserDeleted, UserRegistered, UsersWatermark
from contracts.routing import EVENTS, EXCHANGES
from contracts.topology import BLOOM_USER_EVENTS, QUEUES
from messaging.bus import Binding, Bus, Message, PublishError, Topology
from messaging.in_process import InProcessBus
from tests.support.bus import Recorder
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok

SERVICE_TOKEN = secrets.token_urlsafe()
AUTHORIZATION = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
TOPOLOGY = Topology(
    EXCHANGES, {BLOOM_USER_EVENTS: tuple(Binding(exchange, key) for exchange, key in QUEUES[BLOOM_USER_EVENTS])}
)


def new_digest() -> str:
    return hashlib.sha256(secrets.token_bytes(16)).hexdigest()


def registered(digest: str) -> UserRegistered:
    return UserRegistered(
        user_id=uuid4(),
        username="somebody",
        display_name="Some Body",
        email_digest=digest,
        email_digest_key_id="test",
        version=1,
        registered_at=now(),
    )


def deleted(digest: str) -> UserDeleted:
    return UserDeleted(user_id=uuid4(), email_digest=digest, email_digest_key_id="test", version=2)


def message(*payloads: Payload, durable: bool = True) -> Message:
    """One message with these payloads of one type, in the batch format if they are several."""
    event_type = payloads[0].type
    envelopes = [Envelope(payload, uuid7(), now(), new_traceparent()) for payload in payloads]
    body, content_type = encode(envelopes)
    return Message(EVENTS, event_type, body, event_type, str(envelopes[-1].id), content_type, durable=durable)


class Users:
    """Publishes what user_service would."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, *messages: Message) -> None:
        """Again until the bus has taken them."""
        while True:
            try:
                await self._bus.publish(messages)
            except PublishError:
                await asyncio.sleep(0.05)
            else:
                return

    async def register(self, *digests: str) -> None:
        await self.publish(*(message(registered(digest)) for digest in digests))

    async def say_watermark(self, *, nobody: bool = False, as_of: datetime | None = None) -> None:
        await self.publish(message(UsersWatermark(as_of=as_of or now(), nobody=nobody), durable=False))

    @asynccontextmanager
    async def saying_watermarks(self) -> AsyncIterator[None]:
        """Meanwhile, a few each second."""

        async def say() -> None:
            while True:
                await self.say_watermark()
                await asyncio.sleep(0.2)

        saying = asyncio.create_task(say())
        try:
            yield
        finally:
            saying.cancel()
            with suppress(asyncio.CancelledError):
                await saying


class Asked:
    """What another service gets to know over HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def check(self, *digests: str) -> httpx.Response:
        return await self.http.post("/emails/check", json={"digests": digests}, headers=AUTHORIZATION)

    async def might_exist(self, *digests: str) -> list[bool]:
        answers: list[bool] = ok(await self.check(*digests))["might_exist"]
        return answers

    async def stats(self) -> Json:
        stats: Json = ok(await self.http.get("/emails/stats", headers=AUTHORIZATION))
        return stats

    async def count_reaches(self, number: int, *, within: float = 10) -> None:
        async def reached() -> bool:
            with suppress(httpx.TransportError):
                return bool((await self.stats())["count"] >= number)
            return False

        await eventually(reached, within=within)

    async def answers(self, *, within: float = 10) -> None:
        """Wait until it is not behind."""

        async def not_behind() -> bool:
            with suppress(httpx.TransportError):
                return (await self.check(new_digest())).is_success
            return False

        await eventually(not_behind, within=within)

    async def is_behind(self, *, within: float = 10) -> str:
        """Wait until it is behind; what it says then."""

        async def behind() -> str | None:
            response = await self.check(new_digest())
            problem: dict[str, Any] = response.json()
            return str(problem["detail"]) if problem.get("code") == "behind" else None

        return await eventually(behind, within=within) or ""


class BloomService(Asked):
    """The service on an in-process bus of its own."""

    def __init__(self, app: FastAPI, bus: InProcessBus) -> None:
        super().__init__(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bloom_service"))
        self.app = app
        self.bus = bus
        self.users = Users(bus)
        self.dead_letters = Recorder()
        bus.consume(f"{BLOOM_USER_EVENTS}.dead", self.dead_letters)

    async def reasons(self, number: int) -> Sequence[str]:
        """Wait until so many dead letters are there; why they are."""
        await self.dead_letters.until_it_has(number)
        return [delivery.headers["x-parley-reason"] for delivery in self.dead_letters.deliveries]


@asynccontextmanager
async def running_bloom_service(folder: Path, *, capacity: int = 100) -> AsyncIterator[BloomService]:
    bus = InProcessBus(TOPOLOGY)
    settings = Settings(data_dir=folder, service_token=SecretStr(SERVICE_TOKEN), bloom_capacity=capacity)
    app = create_app(settings, bus)
    service = BloomService(app, bus)
    async with app.router.lifespan_context(app), service.http:
        await bus.start()
        try:
            yield service
        finally:
            await bus.stop()
