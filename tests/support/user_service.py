"""A running user_service: its own database, a real bus, and bloom_service's port served by a stand-in."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar

import httpx
from fastapi import FastAPI, Header, Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr
from sqlalchemy import Table, select

from common.database import Database
from contracts.envelope import Envelope
from contracts.internal_http import EmailAnswer, EmailCheck
from contracts.messages import Payload, SessionRevoked, UserDeleted, UserProfileChanged, UserRegistered, UsersWatermark
from contracts.routing import EVENTS, EXCHANGES
from messaging.bus import Binding, Bus, Delivery, Topology
from messaging.in_process import InProcessBus
from tests.support import unlimited
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from user_service.config import Settings
from user_service.main import create_app
from user_service.models import Base
from user_service.services.pace import Pace

SERVICE_TOKEN = secrets.token_urlsafe()
SIGNING_KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
EMAIL_DIGEST_KEY = secrets.token_urlsafe()

_LISTENER = f"listener.{secrets.token_hex(4)}"
_EVENT_TYPES = (UserRegistered, UserProfileChanged, UserDeleted, SessionRevoked, UsersWatermark)
TOPOLOGY = Topology(EXCHANGES, {_LISTENER: tuple(Binding(EVENTS, payload.type) for payload in _EVENT_TYPES)})

AnyPayload = TypeVar("AnyPayload", bound=Payload)


@dataclass
class BloomStandIn:
    """What `POST /emails/check` answers, and how often it was asked. It has filters for any keys, or for `key_ids`."""

    registered: set[str] = field(default_factory=set)
    key_ids: set[str] | None = None
    status: int = 200
    delay_s: float = 0.0
    body: bytes | None = None
    digests: list[str] = field(default_factory=list)
    asked_under: list[str | None] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        app = FastAPI()

        @app.post("/emails/check")
        async def check(question: EmailCheck, authorization: Annotated[str, Header()]) -> Response:
            self.credentials.append(authorization)
            assert question.digest is not None
            self.digests.append(question.digest)
            self.asked_under.append(question.key_id)
            await asyncio.sleep(self.delay_s)
            if self.key_ids is not None and question.key_id not in self.key_ids:
                return Response(status_code=503)
            answer = EmailAnswer(might_exist=[question.digest in self.registered])
            return Response(self.body or answer.model_dump_json(), self.status, media_type="application/json")

        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bloom_service")


class UserService:
    """The service at work, and everything that it has published."""

    def __init__(self, app: FastAPI, database_url: str, bus: Bus, bloom: BloomStandIn) -> None:
        self.app = app
        self.database_url = database_url
        self.bus = bus
        self.bloom = bloom
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://user_service")
        self.deliveries: list[Delivery] = []
        self.published: list[Envelope[Payload]] = []
        bus.consume(_LISTENER, self._listen)

    async def _listen(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            assert delivery.key == delivery.type
            self.deliveries.append(delivery)
            self.published += opened(delivery.body, delivery.content_type)

    def heard(self, payload_type: type[AnyPayload]) -> list[AnyPayload]:
        return [envelope.payload for envelope in self.published if isinstance(envelope.payload, payload_type)]

    async def hear(self, payload_type: type[AnyPayload], number: int = 1, *, within: float = 10) -> list[AnyPayload]:
        """Wait until so many have been published in all."""

        async def heard_enough() -> bool:
            return len(self.heard(payload_type)) >= number

        await eventually(heard_enough, within=within)
        return self.heard(payload_type)

    async def hear_watermark_of(self, moment: datetime) -> UsersWatermark:
        """Wait for the first that is later than a moment."""

        async def later() -> list[UsersWatermark]:
            return [watermark for watermark in self.heard(UsersWatermark) if watermark.as_of > moment]

        return (await eventually(later))[0]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """What a table holds, column by column."""
        database = Database(self.database_url)
        async with database.read() as session:
            found = (await session.execute(select(_table(table)))).mappings().all()
        await database.close()
        return [dict(row) for row in found]


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def settings(
    database_url: str, email_digest_key: str, second_key: str | None = None, *, rates: Mapping[str, int]
) -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        database_patience=0,
        service_token=SecretStr(SERVICE_TOKEN),
        signing_key=SecretStr(SIGNING_KEY),
        email_digest_key=SecretStr(email_digest_key),
        email_digest_second_key=None if second_key is None else SecretStr(second_key),
    ).model_copy(update=rates)


def cheap_password_hash(time_cost: int = 1) -> PasswordHash:
    """Argon2id, as weak as it can be."""
    return PasswordHash([Argon2Hasher(time_cost=time_cost, memory_cost=8, parallelism=1)])


@asynccontextmanager
async def running_user_service(
    database_url: str,
    bus: Bus | None = None,
    *,
    email_digest_keys: Sequence[str] = (EMAIL_DIGEST_KEY,),
    password_hash: PasswordHash | None = None,
    pace: Pace | None = None,
    rates: Mapping[str, int] | None = None,
) -> AsyncIterator[UserService]:
    """On a migrated database, and on `bus`, whose topology is `TOPOLOGY`, or else a bus in this process. `rates` are
    settings: those that are left out are no limit."""
    bus = bus or InProcessBus(TOPOLOGY)
    bloom = BloomStandIn()
    app = create_app(
        settings(database_url, *email_digest_keys, rates={**unlimited.RATES, **(rates or {})}),
        bus,
        bloom.client(),
        password_hash=password_hash or cheap_password_hash(),
        pace=pace,
    )
    service = UserService(app, database_url, bus, bloom)
    async with app.router.lifespan_context(app), service.http:
        await bus.start()
        try:
            yield service
        finally:
            await bus.stop()
