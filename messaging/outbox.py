"""The transactional outbox: messages are stored in the transaction that makes them true, and published after it.

A message leaves at least once, in the order of the table's ids. It may leave twice (killed between publishing and
deleting), so who reads must recognise repeats.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import JSON, BigInteger, Identity, Integer, LargeBinary, String, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from common.database import Database, DatabaseUnavailable, UtcDateTime
from common.ids import now
from messaging.bus import Bus, Message, PublishError, RetryPolicy

PUBLISHED = Counter("parley_outbox_published", "Messages published from an outbox", ["outbox"])
FAILURES = Counter("parley_outbox_failures", "Attempts to publish from an outbox that failed", ["outbox"])
PENDING = Gauge("parley_outbox_pending", "Messages in an outbox when it was last looked at", ["outbox"])
OLDEST = Gauge("parley_outbox_oldest_seconds", "Age of the oldest message in an outbox", ["outbox"])

_BATCH = 200
_SERVER_SIDE_TIMEOUT = "30s"

log = structlog.get_logger(__name__)

OnEmpty = Callable[[datetime], Awaitable[None]]
"""Told a moment: everything that was committed before it has been published."""


class OutboxMixin:
    """The columns of an outbox table. A service adds its declarative base and a table name."""

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)
    exchange: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(200))
    message_type: Mapped[str] = mapped_column(String(200))
    message_id: Mapped[str] = mapped_column(String(200))
    content_type: Mapped[str] = mapped_column(String(200))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    headers: Mapped[dict[str, str]] = mapped_column(JSON)
    durable: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def add(session: AsyncSession, table: type[OutboxMixin], messages: Sequence[Message]) -> None:
    """Store messages, in order, with the transaction that `session` is in. Nudge the relay after the commit."""
    created_at = now()
    for message in messages:
        row = table()
        row.exchange = message.exchange
        row.key = message.key
        row.message_type = message.type
        row.message_id = message.id
        row.content_type = message.content_type
        row.body = message.body
        row.headers = dict(message.headers)
        row.durable = message.durable
        row.created_at = created_at
        session.add(row)


class OutboxRelay:
    """Publishes what is in an outbox and deletes it: batch by batch, in order, one relay at a time.

    On PostgreSQL a pass is one transaction under an advisory lock. The lock thus ends with the connection that the
    rows are deleted on, and any replica's relay takes the next pass. A SQLite file has one process and one writer,
    whose lock is not held while publishing.
    """

    def __init__(
        self,
        database: Database,
        table: type[OutboxMixin],
        bus: Bus,
        *,
        name: str,
        on_empty: OnEmpty | None = None,
        poll_interval: float = 0.1,
        retry: RetryPolicy = RetryPolicy(max_delay=2.0),
    ) -> None:
        """`name` is the service's: in the lock, in metrics and logs. `on_empty` is called after each pass that found
        nothing."""
        self._database = database
        self._table = table
        self._bus = bus
        self._name = name
        self._on_empty = on_empty
        self._poll_interval = poll_interval
        self._retry = retry
        self._nudged = asyncio.Event()
        self._oldest: datetime | None = None
        OLDEST.labels(name).set_function(self._oldest_age)

    def nudge(self) -> None:
        """Something was committed: look now rather than at the next poll."""
        self._nudged.set()

    async def run(self) -> None:
        """Relay until cancelled. A bus or database that is away is waited for, with a growing delay."""
        failures = 0
        while True:
            self._nudged.clear()
            try:
                # after a failure one at a time: what follows a refused message is not sent again and again
                found = await self._pass(1 if failures else _BATCH)
            except (PublishError, DatabaseUnavailable) as error:
                log.warning("outbox_waits", outbox=self._name, failures=failures, reason=str(error))
            except Exception:
                log.exception("outbox_failed", outbox=self._name, failures=failures)
            else:
                failures = 0
                if not found:
                    await self._wait_for_nudge()
                continue
            failures += 1
            FAILURES.labels(self._name).inc()
            await asyncio.sleep(self._retry.delay(failures) * random.uniform(0.75, 1.25))

    async def _pass(self, limit: int) -> bool:
        """Publish up to `limit` messages. Says whether it found anything to publish, and was the one to do it."""
        if self._database.is_sqlite:
            as_of = now()
            async with self._database.read() as session:
                rows = await self._oldest_rows(session, limit)
            accepted, refusal = await self._publish(rows)
            if accepted:
                async with self._database.write() as session:
                    await self._delete(session, accepted)
        else:
            async with self._database.write() as session:
                if not await self._lock(session):
                    return False
                as_of = now()
                rows = await self._oldest_rows(session, limit)
                accepted, refusal = await self._publish(rows)
                if accepted:
                    await self._delete(session, accepted)
        PUBLISHED.labels(self._name).inc(len(accepted))
        if refusal is not None:
            raise refusal
        if not rows and self._on_empty is not None:
            await self._on_empty(as_of)
        return bool(rows)

    async def _lock(self, session: AsyncSession) -> bool:
        """Keep other relays out until the transaction ends, which the server sees to if this host is cut off."""
        key = int.from_bytes(hashlib.sha256(self._name.encode()).digest()[:8], "big", signed=True)
        locked = select(
            func.pg_try_advisory_xact_lock(key),
            func.set_config("idle_in_transaction_session_timeout", _SERVER_SIDE_TIMEOUT, True),
        )
        return bool(await session.scalar(locked))

    async def _oldest_rows(self, session: AsyncSession, limit: int) -> Sequence[OutboxMixin]:
        rows = (await session.scalars(select(self._table).order_by(self._table.id).limit(limit))).all()
        pending = len(rows)
        if pending == limit:
            pending = await session.scalar(select(func.count()).select_from(self._table)) or 0
        PENDING.labels(self._name).set(pending)
        self._oldest = rows[0].created_at if rows else None
        return rows

    async def _publish(self, rows: Sequence[OutboxMixin]) -> tuple[Sequence[OutboxMixin], PublishError | None]:
        """Those that may be deleted: all before the first that was refused. Later ones go again, to keep the order."""
        if not rows:
            return rows, None
        try:
            await self._bus.publish([_message(row) for row in rows])
        except PublishError as error:
            refused = {message.id for message in error.failed}
            first = next((number for number, row in enumerate(rows) if row.message_id in refused), 0)
            return rows[:first], error
        return rows, None

    async def _delete(self, session: AsyncSession, rows: Sequence[OutboxMixin]) -> None:
        await session.execute(delete(self._table).where(self._table.id.in_([row.id for row in rows])))
        await session.commit()

    async def _wait_for_nudge(self) -> None:
        try:
            async with asyncio.timeout(self._poll_interval * random.uniform(0.8, 1.2)):
                await self._nudged.wait()
        except TimeoutError:
            pass  # the poll is what can be relied on: another replica's commits nudge nobody here

    def _oldest_age(self) -> float:
        return 0.0 if self._oldest is None else (now() - self._oldest).total_seconds()


def _message(row: OutboxMixin) -> Message:
    return Message(
        exchange=row.exchange,
        key=row.key,
        body=row.body,
        type=row.message_type,
        id=row.message_id,
        content_type=row.content_type,
        headers=row.headers,
        durable=row.durable,
    )
