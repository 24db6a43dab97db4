"""A running bloom_service, and a stand-in for user_service that tells it of accounts, in events and by its export."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI, Header, Response
from pydantic import SecretStr

from bloom_service.config import Settings
from bloom_service.main import create_app
from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.envelope import Envelope, encode
from contracts.internal_http import EmailDigests
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


KEY = "a-key"


def new_digest() -> str:
    return hashlib.sha256(secrets.token_bytes(16)).hexdigest()


def registered(digest: str, second: tuple[str, str] | None = None, *, key_id: str = KEY) -> UserRegistered:
    """`second` is another key, and the digest under that."""
    return UserRegistered(
        user_id=uuid4(),
        username="somebody",
        display_name="Some Body",
        email_digest=digest,
        email_digest_key_id=key_id,
        second_email_digest=second[1] if second else None,
        second_email_digest_key_id=second[0] if second else None,
        version=1,
        registered_at=now(),
    )


def deleted(digest: str) -> UserDeleted:
    return UserDeleted(user_id=uuid4(), email_digest=digest, email_digest_key_id=KEY, version=2)


def message(*payloads: Payload, durable: bool = True) -> Message:
    """One message with these payloads of one type, in the batch format if they are several."""
    event_type = payloads[0].type
    envelopes = [Envelope(payload, uuid7(), now(), new_traceparent()) for payload in payloads]
    body, content_type = encode(envelopes)
    return Message(EVENTS, event_type, body, event_type, str(envelopes[-1].id), content_type, durable=durable)


@dataclass
class ExportStandIn:
    """What `GET /internal/v1/emails/digests` tells: by key, the digests of everybody registered, by their users' ids.
    In pages of at most `page`; it waits `delay_s` before each, and answers with `status` instead if that is not 200. A
    `first` page is told as it is, and no other."""

    digests: dict[str, dict[UUID, str]] = field(default_factory=dict)
    page: int = 50_000
    delay_s: float = 0.0
    status: int = 200
    first: bytes | None = None
    asked: list[tuple[str, UUID | None]] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/internal/v1/emails/digests")
        async def tell(
            key_id: str,
            limit: int,
            after: UUID | None = None,
            authorization: Annotated[str | None, Header()] = None,
        ) -> Response:
            self.asked.append((key_id, after))
            self.credentials.add(authorization)
            await asyncio.sleep(self.delay_s)
            if self.status != 200 or key_id not in self.digests:
                return Response(status_code=404 if self.status == 200 else self.status)
            if self.first is not None:
                body = EmailDigests(digests="", next=None).model_dump_json() if after else self.first
                return Response(body, media_type="application/json")
            following = sorted(user for user in self.digests[key_id] if after is None or user > after)
            told = following[: min(limit, self.page)]
            page = EmailDigests(
                digests="".join(self.digests[key_id][user] for user in told),
                next=told[-1] if len(told) < len(following) else None,
            )
            return Response(page.model_dump_json(), media_type="application/json")

        return app

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app()), base_url="http://user_service")


class Users:
    """Tells of accounts as user_service does: in events, and in its export, which has them first."""

    def __init__(self, bus: Bus, export: ExportStandIn) -> None:
        self._bus = bus
        self.export = export
        self.key_ids = [KEY]
        export.digests.setdefault(KEY, {})

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
        users = [registered(digest) for digest in digests]
        await self.commit(*users)
        await self.publish(*map(message, users))

    async def register_under(self, *key_ids: str) -> None:
        """Somebody, with a digest under each of one or two keys."""
        digests = [(key_id, new_digest()) for key_id in key_ids]
        user = registered(digests[0][1], *digests[1:], key_id=key_ids[0])
        await self.commit(user)
        await self.publish(message(user))

    async def delete(self, *digests: str) -> None:
        for told in self.export.digests.values():
            for user in [user for user, digest in told.items() if digest in digests]:
                del told[user]
        await self.publish(*(message(deleted(digest)) for digest in digests))

    async def commit(self, *users: UserRegistered) -> None:
        """Their registrations: no event tells of them yet."""
        for user in users:
            self.export.digests[user.email_digest_key_id][user.user_id] = user.email_digest
            if user.second_email_digest and user.second_email_digest_key_id:
                self.export.digests[user.second_email_digest_key_id][user.user_id] = user.second_email_digest

    async def have_keys(self, *key_ids: str) -> None:
        """From now on. Everybody has a digest under each."""
        users = {user for digests in self.export.digests.values() for user in digests}
        for key_id in key_ids:
            digests = self.export.digests.setdefault(key_id, {})
            digests.update({user: new_digest() for user in users - digests.keys()})
        self.key_ids = list(key_ids)
        await self.say_watermark()

    async def say_watermark(self, *, as_of: datetime | None = None) -> None:
        watermark = UsersWatermark(as_of=as_of or now(), email_digest_key_ids=self.key_ids)
        await self.publish(message(watermark, durable=False))

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

    async def check(self, *digests: str, key_id: str | None = KEY) -> httpx.Response:
        question = {"key_id": key_id, "digests": digests}
        return await self.http.post("/emails/check", json=question, headers=AUTHORIZATION)

    async def might_exist(self, *digests: str, key_id: str | None = KEY) -> list[bool]:
        """Of any number of digests."""
        answers: list[bool] = []
        for start in range(0, len(digests), 1000):
            answers += ok(await self.check(*digests[start : start + 1000], key_id=key_id))["might_exist"]
        return answers

    async def rebuild(self) -> Json:
        answer: Json = ok(await self.http.post("/emails/rebuild", headers=AUTHORIZATION), 202)
        return answer

    async def generation_is(self, number: int, *, within: float = 10) -> Json:
        """Wait until one of at least this number is asked; its statistics."""

        async def reached() -> Json | None:
            with suppress(httpx.TransportError):
                stats = await self.stats()
                return stats if stats["generation"] >= number else None
            return None

        return await eventually(reached, within=within) or {}

    async def stats(self) -> Json:
        stats: Json = ok(await self.http.get("/emails/stats", headers=AUTHORIZATION))
        return stats

    async def count_reaches(self, number: int, *, within: float = 10) -> None:
        async def reached() -> bool:
            with suppress(httpx.TransportError):
                return bool((await self.stats())["count"] >= number)
            return False

        await eventually(reached, within=within)

    async def answers(self, *, key_id: str | None = KEY, within: float = 10) -> None:
        """Wait until it is not behind."""

        async def not_behind() -> bool:
            with suppress(httpx.TransportError):
                return (await self.check(new_digest(), key_id=key_id)).is_success
            return False

        await eventually(not_behind, within=within)

    async def is_behind(self, why: str, *, within: float = 10) -> None:
        """Wait until it is, and says so with these words."""

        async def behind() -> bool:
            with suppress(httpx.TransportError):
                problem: dict[str, Any] = (await self.check(new_digest())).json()
                return problem.get("code") == "behind" and why in problem["detail"]
            return False

        await eventually(behind, within=within)


class BloomService(Asked):
    """The service on an in-process bus of its own."""

    def __init__(self, app: FastAPI, bus: InProcessBus, export: ExportStandIn) -> None:
        super().__init__(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bloom_service"))
        self.app = app
        self.bus = bus
        self.users = Users(bus, export)
        self.dead_letters = Recorder()
        bus.consume(f"{BLOOM_USER_EVENTS}.dead", self.dead_letters)

    async def reasons(self, number: int) -> Sequence[str]:
        """Wait until so many dead letters are there; why they are."""
        await self.dead_letters.until_it_has(number)
        return [delivery.headers["x-parley-reason"] for delivery in self.dead_letters.deliveries]


@asynccontextmanager
async def running_bloom_service(
    folder: Path, export: ExportStandIn | None = None, *, capacity: int = 100
) -> AsyncIterator[BloomService]:
    export = export or ExportStandIn()
    bus = InProcessBus(TOPOLOGY)
    settings = Settings(data_dir=folder, service_token=SecretStr(SERVICE_TOKEN), bloom_capacity=capacity)
    app = create_app(settings, bus, export.client())
    service = BloomService(app, bus, export)
    async with app.router.lifespan_context(app), service.http:
        await bus.start()
        try:
            yield service
        finally:
            await bus.stop()
