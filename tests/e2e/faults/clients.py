"""Clients as they should be: they keep to the rate, send again what was not answered, and come back with what they
saw last."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from websockets.exceptions import WebSocketException

from tests.e2e.faults.actions import ACTIONS, send
from tests.e2e.faults.history import PASSING_ERRORS, Command, Gap, History, Json
from tests.e2e.faults.people import Person, Trouble
from tests.e2e.faults.recorded_socket import NotLetIn, RecordedSocket

_PIPELINED = 8
"""How many commands a client has unanswered at once, but for one that drowns."""

_REMEMBERED = 60
_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_GLANCE_S = 0.05
_SLOW_CONSUMER = 4008

_EXPECTED_ERRORS = ("not_a_member", "forbidden", "not_found", "muted")
"""What a client meets when others take part: a room left meanwhile, a message deleted meanwhile."""


class Message(NamedTuple):
    id: str
    room_id: str
    sender_id: str


class Client:
    """One client of one person, on one connection at a time.

    `served_at` is when the latest acked command was made; `reconnects` are the times at which it lost a connection that
    it would have kept; `troubles` what it was told that no client should be.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        person: Person,
        history: History,
        all_rooms: Sequence[str],
        *,
        seed: str,
        interval: float | None,
        slow: bool,
    ) -> None:
        self.name = name
        self.person = person
        self.all_rooms = all_rooms
        self.random = random.Random(seed)
        self.served_at = 0.0
        self.reconnects: list[float] = []
        self.troubles: list[Trouble] = []
        self.highest: dict[str, int] = {}
        self._base_url = base_url
        self._history = history
        self._interval = interval
        self.slow = slow
        self._positions: dict[str, int] = {}
        self._pending: dict[str, tuple[Command, float]] = {}  # with the time at which it was made
        self._again: list[tuple[float, Command]] = []
        self._known: deque[Message] = deque(maxlen=_REMEMBERED)
        self._skipped: deque[Gap] = deque()
        self._errand: asyncio.Task[Any] | None = None
        self._socket: RecordedSocket | None = None
        self._token_is_good = True
        self._forgetting = False
        self._in_a_hurry = False
        self._finishing = False
        self._heads: dict[str, int] | None = None
        self._actions = [action for action in ACTIONS.values() if slow or not action.slow]
        self._weights = [action.weight for action in self._actions]

    # --- from outside

    async def run(self) -> None:
        """Lives until everything was heard that `hear_until` names."""
        pause = _SHORTEST_PAUSE_S
        while True:
            if not await self._get_in():
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(_LONGEST_PAUSE_S, pause * 2)
                continue
            pause = _SHORTEST_PAUSE_S
            socket = self._socket
            assert socket is not None
            try:
                await self._live(socket)
            finally:
                await socket.close()
            if socket.record.quiet:
                return
            if not socket.left_by_us and not (self.slow and socket.record.close_code == _SLOW_CONSUMER):
                self.reconnects.append(time.monotonic())
            await asyncio.sleep(random.uniform(0, _SHORTEST_PAUSE_S))

    def hurry(self) -> None:
        """Makes its next command at once."""
        self._in_a_hurry = True
        if self._socket is not None:
            self._socket.news.set()

    def finish(self) -> None:
        """Makes no more commands."""
        self._finishing = True

    @property
    def settled(self) -> bool:
        """Whether everything it began has come to an end."""
        return self._finishing and not self._pending and self._errand_is_done and not self._skipped

    def hear_until(self, heads: dict[str, int]) -> None:
        """Ends when it is in exactly these rooms and has heard each to this seq."""
        self._heads = heads

    def give_up(self) -> None:
        """What it has not heard on the connection that is open now, it will never hear."""
        if self._socket is not None and self._socket.is_open:
            self._socket.record.quiet = True

    # --- for its actions

    def some_room(self, socket: RecordedSocket) -> str:
        return self.random.choice(sorted(socket.positions))

    def some_message(self, socket: RecordedSocket, *, own: bool = False) -> Message | None:
        known = [
            message
            for message in self._known
            if message.room_id in socket.positions and (not own or message.sender_id == self.person.id)
        ]
        return self.random.choice(known) if known else None

    def new_text(self, characters: int = 0) -> str:
        """One that nobody has said, of at least so many characters."""
        return f"{self.random.getrandbits(64):016x}".ljust(characters, "🎈")

    async def submit(self, socket: RecordedSocket, kind: str, room_id: str, **content: Any) -> None:
        """Makes a command and sends it, as often as it takes."""
        id = str(UUID(int=self.random.getrandbits(128), version=4))
        command = self.person.new_command(id, room_id, kind, **content)
        self.person.recent.append(command)
        self._pending[id] = command, time.monotonic()
        await socket.command(command)

    async def send_again(self, socket: RecordedSocket, command: Command) -> None:
        self._pending.setdefault(command.id, (command, 0.0))
        await socket.command(command)

    def begin_errand(self, errand: Coroutine[Any, Any, Any]) -> None:
        """Does something over HTTP meanwhile: one thing at a time."""
        if self._errand_is_done:
            self._errand = asyncio.create_task(errand)
        else:
            errand.close()

    def forget(self) -> None:
        """Connects without resume points next time."""
        self._forgetting = True

    # --- inside

    @property
    def _errand_is_done(self) -> bool:
        return self._errand is None or self._errand.done()

    async def _get_in(self) -> bool:
        token = await self.person.token(new=not self._token_is_good)
        if token is None:
            return False
        record = self._history.connect(self.name, self.person.id, time.monotonic(), dict(self._positions))
        try:
            self._socket = await RecordedSocket.open(self._base_url, record, self._heard, slow=self.slow)
            await self._socket.hello(token)
        except (OSError, TimeoutError, WebSocketException) as error:
            self._not_let_in(f"connecting: {type(error).__name__}")
            return False
        except NotLetIn as refusal:
            self._not_let_in(f"hello: {refusal.code}")
            self._token_is_good = refusal.code not in ("4001", "4003")
            return False
        self._token_is_good = True
        return True

    def _not_let_in(self, what: str) -> None:
        self.troubles.append(Trouble(time.monotonic(), what, unanswered=True))

    async def _live(self, socket: RecordedSocket) -> None:
        self._again.clear()
        for command, _ in list(self._pending.values()):
            await socket.command(command)
        while socket.is_open and not self._is_done(socket):
            await self._send_due(socket)
            if self._skipped and self._errand_is_done:
                self.begin_errand(self.person.page_skipped(self._skipped.popleft()))
            if self._may_act(socket):
                await self._act(socket)
            await self._rest(socket)
        self._positions = {} if self._forgetting else dict(socket.positions)
        self._forgetting = False

    def _may_act(self, socket: RecordedSocket) -> bool:
        return not self._finishing and socket.is_open and len(self._pending) < _PIPELINED

    async def _act(self, socket: RecordedSocket) -> None:
        if not socket.positions:
            room_id = self.random.choice(self.all_rooms)
            self.begin_errand(self.person.change("join", room_id))
        elif self._in_a_hurry:
            self._in_a_hurry = False
            await send(self, socket)
        else:
            (action,) = self.random.choices(self._actions, self._weights)
            await action.do(self, socket)

    async def _send_due(self, socket: RecordedSocket) -> None:
        now = time.monotonic()
        due = [command for at, command in self._again if at <= now]
        self._again = [(at, command) for at, command in self._again if at > now]
        for command in due:
            await socket.command(command)

    async def _rest(self, socket: RecordedSocket) -> None:
        """Until the next thing to do."""
        if self._finishing or len(self._pending) >= _PIPELINED or not socket.positions:
            await socket.wait(_GLANCE_S)
        elif self._interval is None:
            await asyncio.sleep(0)
        else:
            until = time.monotonic() + self.random.expovariate(1 / self._interval)
            while (left := until - time.monotonic()) > 0 and socket.is_open and not self._in_a_hurry:
                await socket.wait(left)

    def _is_done(self, socket: RecordedSocket) -> bool:
        if self._heads is None or not self.settled or socket.unanswered:
            return False
        socket.record.quiet = socket.positions.keys() == self._heads.keys() and all(
            seq >= self._heads[room_id] for room_id, seq in socket.positions.items()
        )
        return socket.record.quiet

    def _heard(self, frame: Json) -> None:
        match frame["type"]:
            case "event":
                room_id = frame["room_id"]
                self.highest[room_id] = max(self.highest.get(room_id, 0), frame["seq"])
                if frame["kind"] == "message.posted":
                    self._known.append(Message(frame["data"]["message_id"], frame["room_id"], frame["actor_id"]))
            case "gap":
                self._skipped.append(Gap(frame["room_id"], frame["after"], frame["before"]))
            case "ack":
                _, made_at = self._pending.pop(frame["id"], (None, 0.0))
                self.served_at = max(self.served_at, made_at)
            case "error":
                self._refused(frame)
            case "token_expiring":
                self.begin_errand(self._refresh())

    def _refused(self, error: Json) -> None:
        if error["code"] not in _EXPECTED_ERRORS:
            self.troubles.append(Trouble(time.monotonic(), error["code"]))
        pending = self._pending.get(error.get("id", ""))
        if pending is None:
            return
        if error["code"] in PASSING_ERRORS:
            self._again.append((time.monotonic() + error.get("retry_after", 0.5), pending[0]))
        else:
            del self._pending[error["id"]]

    async def _refresh(self) -> None:
        token = await self.person.token(new=True)
        if token is not None and self._socket is not None:
            await self._socket.passing("refresh", token=token)
