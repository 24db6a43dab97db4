"""Who is online, over all gateways: gateways ask one another for the users that are watched, and report of them.

Nothing of it is kept anywhere else. Each question and report is passing news: what is lost is asked for again.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from prometheus_client import Gauge

from common.ids import now, uuid7
from common.tracing import new_traceparent
from contracts.envelope import Envelope, encode
from contracts.frames import Presence as PresenceFrame
from contracts.messages import PresenceQuery, PresenceReport
from contracts.routing import EVERYBODY
from gateway_ws.connection import Connection
from gateway_ws.presence_hosting import MAX_USERS_PER_MESSAGE, Hosting
from gateway_ws.presence_watching import Times, Watching
from gateway_ws.protocol import text_frame
from messaging.bus import Bus, Message, PublishError

WATCHED = Gauge("parley_gateway_watched_users", "Users whose presence is watched here")

_TICK_S = 0.1
"""What happens within it travels together."""

_IDLE_TICK_S = 0.5
_PATIENCE_S = 1.0
_FRAMES_AT_ONCE = 500
"""After so many the event loop gets its turn."""


class Presence:
    """Gateways ask one another every `interval` seconds; a claim outlives two lost answers, a question two lost
    renewals. Who has gone counts as online for another `linger` seconds."""

    def __init__(self, gateway_id: str, bus: Bus, interval: float, linger: float) -> None:
        self._gateway_id = gateway_id
        self._bus = bus
        self._clock = _ConnectedClock()
        times = Times(ask_every=interval, claim_holds=2.5 * interval, patience=_PATIENCE_S, linger=linger)
        self._hosting = Hosting(gateway_id, 3 * interval, self._clock)
        self._watching = Watching(times, _framed, self._clock)
        self._work = asyncio.Event()

    def arrived(self, connection: Connection) -> None:
        """Until the connection has left, its user is online."""
        self._hosting.arrived(connection.user_id)
        self._work.set()

    def left(self, connection: Connection) -> None:
        self._hosting.left(connection.user_id, now())
        self._watching.forget(connection)
        self._work.set()

    def watch(self, connection: Connection, user_ids: Iterable[UUID]) -> None:
        self._watching.watch(connection, user_ids)
        self._work.set()

    def asked(self, query: PresenceQuery) -> None:
        self._hosting.asked(query.gateway_id, query.user_ids)
        self._work.set()

    def heard(self, report: PresenceReport) -> None:
        self._watching.heard(report, now())
        self._work.set()

    async def run(self) -> None:
        """Tell, report and ask until cancelled. While the bus is away time stands still: nobody goes offline by it."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_TICK_S):
                    await self._work.wait()
            self._work.clear()
            if self._clock.advance(self._bus.connected):
                await self._tell()
                await self._report()
                await self._ask()
            await asyncio.sleep(_TICK_S)

    async def _tell(self) -> None:
        self._watching.settle()
        WATCHED.set(len(self._watching))
        more = True
        while more:
            more = self._watching.tell(_FRAMES_AT_ONCE)
            await asyncio.sleep(0)

    async def _report(self) -> None:
        reports = [_message(report, gateway_id) for gateway_id, report in self._hosting.reports()]
        if reports:
            with suppress(PublishError):
                await self._bus.publish(reports)

    async def _ask(self) -> None:
        user_ids = self._watching.take_questions()
        for start in range(0, len(user_ids), MAX_USERS_PER_MESSAGE):
            await self._ask_for(user_ids[start : start + MAX_USERS_PER_MESSAGE])

    async def _ask_for(self, user_ids: list[UUID]) -> None:
        query = PresenceQuery(gateway_id=self._gateway_id, user_ids=user_ids)
        try:
            await self._bus.publish([_message(query, EVERYBODY)])
        except PublishError:
            self._watching.not_asked(user_ids)
        else:
            self._watching.asked(user_ids)


class _ConnectedClock:
    """Seconds during which the bus was connected, as of the last `advance`."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._advanced_at = time.monotonic()

    def __call__(self) -> float:
        return self._seconds

    def advance(self, connected: bool) -> bool:
        """Returns `connected`."""
        moment = time.monotonic()
        if connected:
            self._seconds += moment - self._advanced_at
        self._advanced_at = moment
        return connected


def _framed(frame: PresenceFrame) -> bytes:
    return text_frame(frame.model_dump_json().encode())


def _message(payload: PresenceQuery | PresenceReport, key: str) -> Message:
    envelope = Envelope(payload, uuid7(), now(), new_traceparent())
    body, content_type = encode([envelope])
    return Message(payload.exchange, key, body, payload.type, str(envelope.id), content_type, durable=payload.durable)
