"""A gateway on a socket of its own, a real bus, and stand-ins for the two services that it asks over HTTP."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import SecretStr

from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.entries import (
    EntryData,
    MemberJoined,
    MemberRemoved,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from contracts.envelope import Envelope, encode
from contracts.internal_http import (
    ActiveSessions,
    ActiveSessionsRequest,
    Asker,
    AskerView,
    CatchUps,
    CatchUpsRequest,
    Entries,
    EntriesRequest,
    RoomsOfUsers,
    RoomsOfUsersRequest,
    RoomView,
)
from contracts.messages import (
    CommandAccepted,
    CommandRefused,
    DeleteMessage,
    EditMessage,
    MarkRead,
    MemberAdded,
    Payload,
    ReactToMessage,
    Refusal,
    RoomEntry,
    RoomRead,
    RoomTyping,
    SendMessage,
    SessionRevoked,
)
from contracts.routing import EVENTS, EVERYBODY, EXCHANGES, MEMBERS, REPLIES, ROOMS, origin_of, shard
from contracts.topology import COMMAND_QUEUES, QUEUES
from gateway_ws.config import Settings
from gateway_ws.main import create_app
from gateway_ws.protocol import UVICORN_OPTIONS
from gateway_ws.router import Gateway
from messaging.bus import Binding, Delivery, Handler, Message, Topology
from messaging.in_process import InProcessBroker, InProcessBus
from tests.support.bus import Recorder
from tests.support.client import Socket, open_socket
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.shapes import Json
from tests.support.tokens import TokenIssuer

TOPOLOGY = Topology.of(EXCHANGES, {name: QUEUES[name] for name in COMMAND_QUEUES})

AnsweredCommand = SendMessage | EditMessage | DeleteMessage | ReactToMessage
AnyCommand = AnsweredCommand | MarkRead


@dataclass
class Room:
    id: UUID = field(default_factory=uuid7)
    members: set[UUID] = field(default_factory=set)
    log: list[RoomEntry] = field(default_factory=list)

    @property
    def head(self) -> int:
        return len(self.log)

    def view(self) -> RoomView:
        return RoomView(
            id=self.id,
            kind="private",
            name="A room",
            topic=None,
            head=self.head,
            role="member",
            read_seq=0,
            unread=0,
            member_count=len(self.members),
            created_at=now(),
        )


class ChatStandIn:
    """Rooms and their logs in memory. Commands are handled as chat_service handles them; what is committed is
    broadcast unless the test says otherwise."""

    def __init__(self, bus: InProcessBus) -> None:
        self.bus = bus
        self.rooms: dict[UUID, Room] = {}
        self.heard: Recorder | None = None
        self.commands: list[AnyCommand] = []
        self.batches: list[int] = []
        self.refuse: Refusal | None = None
        self.refuse_for: float | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.stuck_partition: str | None = None
        self.losing_answers = False
        self.available = True
        self.before_catch_up: list[asyncio.Event] = []
        self.after_catch_up: list[asyncio.Event] = []
        self.answer_at_most: int | None = None
        self.asked: list[str] = []
        for queue in COMMAND_QUEUES:
            bus.consume(queue, self._handle)

    # --- what happens in rooms

    def room(self, *members: UUID, entries: int = 0) -> Room:
        room = Room(members=set(members))
        self.rooms[room.id] = room
        for number in range(entries):
            self.commit(room, f"message {number + 1}")
        return room

    def commit(
        self,
        room: Room,
        text: str = "hello",
        *,
        actor_id: UUID | None = None,
        command_id: UUID | None = None,
        origin: int | None = None,
    ) -> RoomEntry:
        """A message, in the log but not broadcast."""
        message_id = uuid7()
        posted = MessagePosted(message_id=message_id, text=text, reply_to=None)
        return self._append(room, posted, actor_id, message_id, command_id, origin)

    async def post(self, room: Room, text: str = "hello") -> RoomEntry:
        entry = self.commit(room, text)
        await self.broadcast(entry)
        return entry

    def add(self, room: Room, user_id: UUID) -> tuple[RoomEntry, MemberAdded]:
        room.members.add(user_id)
        entry = self._append(room, MemberJoined(user_id=user_id, role="member", username="u", display_name="U"))
        return entry, MemberAdded(room_id=room.id, user_id=user_id, seq=entry.seq)

    def remove(self, room: Room, user_id: UUID) -> RoomEntry:
        room.members.discard(user_id)
        return self._append(room, MemberRemoved(user_id=user_id))

    def _append(
        self,
        room: Room,
        data: EntryData,
        actor_id: UUID | None = None,
        id: UUID | None = None,
        command_id: UUID | None = None,
        origin: int | None = None,
    ) -> RoomEntry:
        entry = RoomEntry(
            room_id=room.id,
            seq=room.head + 1,
            kind=data.kind,
            actor_id=actor_id or uuid4(),
            id=id or uuid7(),
            at=now(),
            data=data.model_dump(mode="json"),
            command_id=command_id,
            origin=origin,
        )
        room.log.append(entry)
        return entry

    # --- what the bus carries

    async def broadcast(self, *payloads: RoomEntry | RoomRead | RoomTyping) -> None:
        """One bus message per payload, in this order."""
        for payload in payloads:
            await self.publish(ROOMS, shard(payload.room_id), payload)

    async def broadcast_together(self, *entries: RoomEntry) -> None:
        await self.publish(ROOMS, shard(entries[0].room_id), *entries)

    async def tell_of(self, added: MemberAdded) -> None:
        await self.publish(MEMBERS, EVERYBODY, added)

    async def revoke(self, user_id: UUID, session_id: UUID | None) -> None:
        revoked = SessionRevoked(user_id=user_id, session_id=session_id, reason="logout")
        await self.publish(EVENTS, revoked.type, revoked)

    async def publish(self, exchange: str, key: str, *payloads: Payload) -> None:
        body, content_type = encode([Envelope(one, uuid7(), now(), new_traceparent()) for one in payloads])
        await self.bus.publish(
            [Message(exchange, key, body, payloads[0].type, str(uuid7()), content_type, durable=False)]
        )

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        if self.stuck_partition in (None, deliveries[0].key):
            await self.answering.wait()
        if self.heard is not None:
            await self.heard(deliveries)
        for delivery in deliveries:
            commands = [envelope.payload for envelope in opened(delivery.body, delivery.content_type)]
            self.batches.append(len(commands))
            said: list[RoomEntry | RoomRead] = []
            for command in commands:
                assert isinstance(command, AnyCommand)
                self.commands.append(command)
                if self.losing_answers:
                    continue
                said += await self._apply(command)
            await self.broadcast(*said)  # after all answers, as chat_service does

    async def _apply(self, command: AnyCommand) -> list[RoomEntry | RoomRead]:
        """Answer if need be. Returns what is to be broadcast."""
        room = self.rooms[command.room_id]
        if isinstance(command, MarkRead):
            return [RoomRead(room_id=room.id, user_id=command.user_id, seq=command.seq)]
        if self.refuse is not None:
            refused = CommandRefused(
                command_id=command.command_id,
                user_id=command.user_id,
                room_id=room.id,
                code=self.refuse,
                detail="no",
                retry_after=self.refuse_for,
            )
            await self.publish(REPLIES, command.gateway_id, refused)
            return []
        entry = next((one for one in room.log if one.command_id == command.command_id), None)
        if entry is None:
            return [self._carry_out(room, command)]
        accepted = CommandAccepted(
            command_id=command.command_id,
            user_id=command.user_id,
            room_id=room.id,
            seq=entry.seq,
            message_id=entry.data["message_id"],
            at=entry.at,
        )
        await self.publish(REPLIES, command.gateway_id, accepted)
        return [entry]

    def _carry_out(self, room: Room, command: AnsweredCommand) -> RoomEntry:
        data: EntryData
        origin = origin_of(command.gateway_id)
        match command:
            case SendMessage(text=text):
                return self.commit(room, text, actor_id=command.user_id, command_id=command.command_id, origin=origin)
            case EditMessage(message_id=message_id, text=text):
                data = MessageEdited(message_id=message_id, text=text)
            case DeleteMessage(message_id=message_id):
                data = MessageDeleted(message_id=message_id)
            case ReactToMessage(message_id=message_id, emoji=emoji, on=on):
                changed = ReactionAdded if on else ReactionRemoved
                data = changed(message_id=message_id, emoji=emoji)
        return self._append(room, data, command.user_id, command_id=command.command_id, origin=origin)

    # --- what is asked over HTTP

    def client(self) -> httpx.AsyncClient:
        app = FastAPI()

        @app.get("/healthz")
        async def healthz() -> Json:
            self._ask("healthz")
            return {}

        @app.post("/internal/v1/users/rooms")
        async def room_ids(request: RoomsOfUsersRequest) -> RoomsOfUsers:
            self._ask("rooms")
            return RoomsOfUsers(room_ids={id: [room.id for room in self._rooms_of(id)] for id in request.user_ids})

        @app.post("/internal/v1/users/catch_up")
        async def catch_up(request: CatchUpsRequest) -> CatchUps:
            self._ask("catch_up")
            if self.before_catch_up:
                await self.before_catch_up.pop(0).wait()
            found = self._catch_up(request.askers[: self.answer_at_most], request.limit)
            if self.after_catch_up:
                await self.after_catch_up.pop(0).wait()
            return found

        @app.post("/internal/v1/rooms/entries")
        async def entries(request: EntriesRequest) -> Entries:
            self._ask("entries")
            found = {id: self.rooms[id].log[after : after + request.limit] for id, after in request.after.items()}
            return Entries(entries={room_id: log for room_id, log in found.items() if log})

        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat_service")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if not self.available:
            raise HTTPException(503)

    def _rooms_of(self, user_id: UUID) -> list[Room]:
        return [room for room in self.rooms.values() if user_id in room.members]

    def _catch_up(self, askers: Sequence[Asker], limit: int) -> CatchUps:
        after: dict[UUID, int] = {}
        for asker in askers:
            for room in self._rooms_of(asker.user_id):
                if room.id in asker.resume:
                    own = max(asker.resume[room.id], room.head - limit)
                    after[room.id] = min(own, after.get(room.id, own))
        return CatchUps(
            epoch="1",
            askers=[
                AskerView(user=None, rooms=[room.view() for room in self._rooms_of(asker.user_id)]) for asker in askers
            ],
            entries={room_id: self.rooms[room_id].log[seq:] for room_id, seq in after.items()},
        )


class GatewayServer:
    """A running gateway, and what surrounds it."""

    def __init__(
        self,
        settings: Settings,
        ping_interval: float | None,
        tap: tuple[Sequence[Binding], Handler] | None = None,
        broker: InProcessBroker | None = None,
    ) -> None:
        self.broker = broker or InProcessBroker(TOPOLOGY)
        self.bus = InProcessBus(TOPOLOGY, broker=self.broker)
        self.chat_bus = InProcessBus(TOPOLOGY, broker=self.broker)
        self.chat = ChatStandIn(self.chat_bus)
        if tap is not None:
            bindings, handler = tap
            self.chat_bus.listen("tap", bindings, handler, on_reset=_nothing)
        self.issuer = TokenIssuer()
        self.keys_available = True
        self.ended_sessions: set[UUID] = set()
        self.sessions_available = True
        self.sessions_answering = asyncio.Event()
        self.sessions_answering.set()
        self.sessions_asked: list[list[UUID]] = []
        self.app = create_app(settings, self.bus, self.chat.client(), self._user_service())
        options = dict(UVICORN_OPTIONS)
        if ping_interval is not None:
            options |= {"ws_ping_interval": ping_interval, "ws_ping_timeout": ping_interval}
        config = uvicorn.Config(
            self.app, port=0, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=3, **options
        )
        self.server = _Server(config)
        self.sockets: list[Socket] = []

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    def token(self, user_id: UUID, **options: Any) -> str:
        return self.issuer.token(user_id=user_id, **options)

    async def open(self, **options: Any) -> Socket:
        """A connection on which nothing has been said."""
        socket = await open_socket(f"http://127.0.0.1:{self.port}", **options)
        self.sockets.append(socket)
        return socket

    async def connect(self, user_id: UUID, *, token: str | None = None, **options: Any) -> Socket:
        socket = await self.open(**options)
        await socket.hello(token or self.token(user_id))
        return socket

    async def missing(self) -> set[str]:
        """What `/readyz` says is missing."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            response = await http.get("/readyz")
        missing = set(response.json().get("missing", ()))
        assert response.is_success == (not missing)
        return missing

    def connected(self) -> int:
        return len(self.gateway.sessions.all())

    def nothing_is_left(self) -> bool:
        gateway = self.gateway
        return not (gateway.sessions.all() or list(gateway.hub.rooms()) or len(gateway.pending))

    async def asked(self, what: str, times: int = 1) -> None:
        """Wait until chat_service was asked for this so many times."""
        await _until(lambda: self.chat.asked.count(what) >= times)

    async def heard(self, room: Room, seq: int) -> None:
        """Wait until the gateway has passed the entry on."""
        await _until(lambda: self.gateway.hub.heads().get(room.id, 0) >= seq)

    async def until_connected(self, number: int) -> None:
        await _until(lambda: self.connected() == number)

    async def until_pending(self, number: int) -> None:
        await _until(lambda: len(self.gateway.pending) == number)

    async def until_nothing_is_left(self) -> None:
        await _until(self.nothing_is_left)

    async def until_no_socket_is_open(self, *, within: float = 5) -> None:
        await _until(lambda: not self.server.server_state.connections, within)

    def _user_service(self) -> httpx.AsyncClient:
        app = FastAPI()

        @app.get("/.well-known/jwks.json")
        async def keys() -> Json:
            if not self.keys_available:
                raise HTTPException(503)
            return self.issuer.jwks()

        @app.post("/internal/v1/sessions/active")
        async def active(question: ActiveSessionsRequest) -> ActiveSessions:
            self.sessions_asked.append(question.session_ids)
            if not self.sessions_available:
                raise HTTPException(503)
            active = [id for id in question.session_ids if id not in self.ended_sessions]
            await self.sessions_answering.wait()
            return ActiveSessions(active=active)

        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://user_service")


async def _nothing() -> None:
    pass


async def _until(condition: Callable[[], bool], within: float = 10) -> None:
    async def probe() -> bool:
        return condition()

    await eventually(probe, within=within)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


@asynccontextmanager
async def running_gateway(
    ping_interval: float | None = None,
    tap: tuple[Sequence[Binding], Handler] | None = None,
    broker: InProcessBroker | None = None,
    **settings: Any,
) -> AsyncIterator[GatewayServer]:
    """`settings` replace those of the gateway. `tap` hears what the bus carries under some bindings. Gateways are
    beside one another if they have one `broker`."""
    secret = SecretStr(secrets.token_urlsafe())
    gateway = GatewayServer(Settings(port=0, service_token=secret, **settings), ping_interval, tap, broker)
    await gateway.bus.start()
    await gateway.chat_bus.start()
    serving = asyncio.create_task(gateway.server.serve())

    async def started() -> bool:
        return gateway.server.started

    await eventually(started)
    try:
        yield gateway
        for socket in gateway.sockets:
            await socket.close()
    finally:
        gateway.chat.answering.set()
        gateway.server.should_exit = True
        await serving
        await gateway.bus.stop()
        await gateway.chat_bus.stop()
