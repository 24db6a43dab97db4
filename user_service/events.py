"""What user_service publishes: facts about users, by way of the outbox, and how far that has got."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from common.database import Database
from common.ids import now, uuid7
from common.tracing import current_traceparent
from contracts.envelope import Envelope, encode
from contracts.messages import Payload, UsersWatermark
from contracts.routing import EVENTS
from messaging import outbox
from messaging.bus import Bus, Message
from user_service.models import Outbox, User

_WATERMARK_INTERVAL_S = 1.0


def record(session: AsyncSession, *events: Payload) -> None:
    """Have events published, in this order, once the session's transaction is committed."""
    outbox.add(session, Outbox, [_message(event) for event in events])


class Watermarks:
    """Publishes how far the events have got, at most once a second. For the relay to call on an empty outbox."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        email_digest_key_ids: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._bus = bus
        self._email_digest_key_ids = list(email_digest_key_ids)
        self._clock = clock
        self._published_at = float("-inf")

    async def __call__(self, as_of: datetime) -> None:
        """Raises `PublishError`, `DatabaseUnavailable`."""
        if not self._bus.connected or self._clock() - self._published_at < _WATERMARK_INTERVAL_S:
            return
        async with self._database.read() as session:
            nobody = not await session.scalar(select(exists().where(User.id.is_not(None))))
        watermark = UsersWatermark(as_of=as_of, nobody=nobody, email_digest_key_ids=self._email_digest_key_ids)
        await self._bus.publish([_message(watermark)])
        self._published_at = self._clock()


def _message(payload: Payload) -> Message:
    event_id = uuid7()
    body, content_type = encode([Envelope(payload, event_id, now(), current_traceparent())])
    return Message(EVENTS, payload.type, body, payload.type, str(event_id), content_type, durable=payload.durable)
