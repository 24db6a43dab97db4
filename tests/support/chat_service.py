"""A running chat_service: its own database, a real bus, and user_service's port served by a stand-in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, TypeVar
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI, Header, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from chat_service.config import Settings
from chat_service.main import create_app
from chat_service.models import Mute
from chat_service.services.outcomes import Command
from common.database import Database
from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.envelope import Envelope, encode
from contracts.internal_http import UserView
from contracts.messages import DeleteMessage, EditMessage, MarkRead, Payload, ReactToMessage, SendMessage
from contracts.routing import COMMANDS, EVENTS, EVERYBODY, EXCHANGES, MEMBERS, REPLIES, ROOMS, SHARDS, partition
from contracts.topology import CHAT_USER_EVENTS, COMMAND_QUEUES, QUEUES
from messaging.bus import Binding, Bus, Delivery, Message, Topology
from messaging.in_process import InProcessBus
from tests.support.client import Account, User
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.shapes import Json
from tests.support.tokens import TokenIssuer

SERVICE_TOKEN = secrets.token_urlsafe()
GATEWAY = "gateway-1"

# without the queue of a service that is not running: in one process a publisher waits for all who are to handle it
TOPOLOGY = Topology(
    EXCHANGES,
    {name: tuple(Binding(*pair) for pair in QUEUES[name]) for name in (*COMMAND_QUEUES, CHAT_USER_EVENTS)},
)
_HEARD = (
    *(Binding(ROOMS, str(shard)) for shard in range(SHARDS)),
    Binding(MEMBERS, EVERYBODY),
    Binding(REPLIES, GATEWAY),
)

_MARKER = "test.marker"

AnyPayload = TypeVar("AnyPayload", bound=Payload)


@dataclass
class UserServiceStandIn:
    """The keys, and the users that `GET /internal/v1/users/{id}` knows of."""

    issuer: TokenIssuer = field(default_factory=TokenIssuer)
    users: dict[UUID, UserView] = field(default_factory=dict)
    status: int = 200
    delay_s: float = 0.0
    asked: list[UUID] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)

    def client(self) -> httpx.AsyncClient:
        app = FastAPI()

        @app.get("/.well-known/jwks.json")
        async def keys() -> Response:
            return JSONResponse(self.issuer.jwks(), self.status)

        @app.get("/internal/v1/users/{user_id}")
        async def show(user_id: UUID, authorization: Annotated[str | None, Header()] = None) -> Response:
            self.asked.append(user_id)
            self.credentials.add(authorization)
            await asyncio.sleep(self.delay_s)
            user = self.users.get(user_id)
            if self.status != 200 or user is None:
                return Response(status_code=404 if self.status == 200 else self.status)
            return Response(user.model_dump_json(), media_type="application/json")

        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://user_service")


def send(
    room: Json, user: User, text: str = "hello", *, id: UUID | None = None, reply_to: UUID | None = None
) -> SendMessage:
    return SendMessage(
        command_id=id or uuid4(),
        user_id=UUID(user.id),
        room_id=UUID(room["id"]),
        text=text,
        reply_to=reply_to,
        gateway_id=GATEWAY,
    )


def edit(room: Json, user: User, message: Json, text: str, *, id: UUID | None = None) -> EditMessage:
    return EditMessage(
        command_id=id or uuid4(),
        user_id=UUID(user.id),
        room_id=UUID(room["id"]),
        message_id=UUID(message["id"]),
        text=text,
        gateway_id=GATEWAY,
    )


def delete(room: Json, user: User, message: Json, *, id: UUID | None = None) -> DeleteMessage:
    return DeleteMessage(
        command_id=id or uuid4(),
        user_id=UUID(user.id),
        room_id=UUID(room["id"]),
        message_id=UUID(message["id"]),
        gateway_id=GATEWAY,
    )


def react(
    room: Json, user: User, message: Json, emoji: str = "👍", *, on: bool = True, id: UUID | None = None
) -> ReactToMessage:
    return ReactToMessage(
        command_id=id or uuid4(),
        user_id=UUID(user.id),
        room_id=UUID(room["id"]),
        message_id=UUID(message["id"]),
        emoji=emoji,
        on=on,
        gateway_id=GATEWAY,
    )


def mark(room: Json, user: User, seq: int) -> MarkRead:
    return MarkRead(user_id=UUID(user.id), room_id=UUID(room["id"]), seq=seq)


async def mute(database_url: str, room: Json, user: User, seconds: float) -> None:
    """Have somebody muted from now on, or until a moment ago."""
    database = Database(database_url)
    user_id, until = UUID(user.id), now() + timedelta(seconds=seconds)
    async with database.write() as session:
        await session.merge(Mute(room_id=UUID(room["id"]), user_id=user_id, until=until, muted_by=uuid7()))
        await session.commit()
    await database.close()


def enveloped(payload: Payload, traceparent: str | None = None) -> Envelope[Payload]:
    return Envelope(payload, uuid7(), now(), traceparent or new_traceparent())


def command_message(*commands: Command) -> Message:
    """One bus message, as a gateway makes it of commands that have come together: all of one partition."""
    (key,) = {partition(command.room_id) for command in commands}
    body, content_type = encode([enveloped(command) for command in commands])
    return Message(COMMANDS, key, body, commands[0].type, str(uuid7()), content_type)


def event_message(event: Payload) -> Message:
    """One event of a user, as user_service publishes it."""
    body, content_type = encode([enveloped(event)])
    return Message(EVENTS, event.type, body, event.type, str(uuid7()), content_type)


def delivery_of(message: Message) -> Delivery:
    return Delivery(
        exchange=message.exchange,
        key=message.key,
        body=message.body,
        type=message.type,
        id=message.id,
        content_type=message.content_type,
        headers={},
    )


class ChatService:
    """The service at work, and everything that it has published to gateways."""

    def __init__(self, app: FastAPI, database_url: str, bus: Bus, user_service: UserServiceStandIn) -> None:
        self.app = app
        self.database_url = database_url
        self.bus = bus
        self.user_service = user_service
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat_service")
        self.deliveries: list[Delivery] = []
        self._markers: dict[str, asyncio.Future[None]] = {}
        bus.listen("listener", _HEARD, self._listen, on_reset=self._reset)

    async def _listen(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            if delivery.type == _MARKER:
                self._markers.pop(delivery.id).set_result(None)
            else:
                self.deliveries.append(delivery)

    async def _reset(self) -> None:
        pass

    @property
    def published(self) -> list[Envelope[Payload]]:
        return [one for delivery in self.deliveries for one in opened(delivery.body, delivery.content_type)]

    def heard(self, payload_type: type[AnyPayload]) -> list[AnyPayload]:
        return [envelope.payload for envelope in self.published if isinstance(envelope.payload, payload_type)]

    async def hear(self, payload_type: type[AnyPayload], number: int = 1, *, within: float = 10) -> list[AnyPayload]:
        """Wait until so many have been published in all."""

        async def heard_enough() -> bool:
            return len(self.heard(payload_type)) >= number

        await eventually(heard_enough, within=within)
        return self.heard(payload_type)

    def newcomer(self, name: str | None = None) -> User:
        """Somebody who has registered, but of whom chat_service has not heard yet."""
        user_id, name = uuid7(), name or f"u{secrets.token_hex(6)}"
        view = UserView(id=user_id, username=name, display_name=f"The {name}", version=1)
        self.user_service.users[user_id] = view
        token = self.user_service.issuer.token(user_id=user_id, username=name, display_name=view.display_name)
        return User(self.http, Account(str(user_id), "", name, view.display_name, token, ""))

    async def settle(self) -> None:
        """Wait until what has been published so far has been heard."""
        marker = str(uuid7())
        self._markers[marker] = heard = asyncio.get_running_loop().create_future()
        await self.bus.publish([Message(REPLIES, GATEWAY, b"", _MARKER, marker, durable=False)])
        await heard

    async def command(self, *commands: Command) -> None:
        """Have commands come by the bus, together; returns when they have been handled, and what they led to heard."""
        await self.bus.publish([command_message(*commands)])
        await self.settle()

    async def user_event(self, *events: Payload) -> None:
        """Have events of users come by the bus, one after the other; returns when they have been handled."""
        for event in events:
            await self.user_events_at_once(event)

    async def user_events_at_once(self, *events: Payload) -> None:
        """Have events of users come by the bus as one batch; returns when they have been handled."""
        await self.bus.publish([event_message(event) for event in events])

    async def internal(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
        return await self.http.request(method, f"/internal/v1{path}", json=body, headers=headers)


def settings(database_url: str) -> Settings:
    return Settings(database_url=SecretStr(database_url), database_patience=0, service_token=SecretStr(SERVICE_TOKEN))


@asynccontextmanager
async def running_chat_service(
    database_url: str, *, user_service: UserServiceStandIn | None = None, bus: Bus | None = None
) -> AsyncIterator[ChatService]:
    bus = bus or InProcessBus(TOPOLOGY)
    user_service = user_service or UserServiceStandIn()
    app = create_app(settings(database_url), bus, user_service.client())
    service = ChatService(app, database_url, bus, user_service)
    async with app.router.lifespan_context(app), service.http:
        await bus.start()
        try:
            yield service
        finally:
            await bus.stop()
