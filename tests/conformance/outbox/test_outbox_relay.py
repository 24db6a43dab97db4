import asyncio
import math
from collections.abc import Sized
from datetime import datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, event, func, select, text

from common.database import Database, DatabaseUnavailable
from common.ids import now
from messaging import outbox
from tests.support.eventually import eventually
from tests.support.outbox import NAME, Outbox, Reader, StartReader, StartRelay, Store, message

NEVER = 3600.0


class TestWhatIsCommitted:
    async def test_is_published_byte_for_byte_and_then_forgotten(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        sent = message()
        await start_relay()

        await store.commit(sent)

        await eventually(store.is_empty)
        (delivery,) = reader.read
        assert (delivery.body, delivery.type, delivery.id) == (sent.body, sent.type, sent.id)
        assert (delivery.exchange, delivery.key, delivery.content_type) == (sent.exchange, sent.key, sent.content_type)

    async def test_is_published_in_the_order_of_commits_over_many_batches(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        messages = [message() for _ in range(450)]
        for first in range(0, len(messages), 45):
            await store.commit(*messages[first : first + 45])

        await start_relay()

        await eventually(store.is_empty)
        assert reader.ids == [sent.id for sent in messages]

    async def test_is_published_at_once_after_a_nudge(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        found_nothing = asyncio.Event()

        async def on_empty(_as_of: datetime) -> None:
            found_nothing.set()

        running = await start_relay(poll_interval=NEVER, on_empty=on_empty)
        await found_nothing.wait()
        await store.commit(message())

        running.relay.nudge()

        await eventually(store.is_empty)
        assert len(reader.read) == 1

    async def test_is_published_although_nobody_listens_if_it_is_not_durable(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        await start_relay()

        await store.commit(message("nobody", durable=False))

        await eventually(store.is_empty)
        assert reader.read == []


async def test_nothing_is_published_of_a_transaction_that_is_rolled_back(
    store: Store, reader: Reader, start_relay: StartRelay
) -> None:
    await start_relay()
    async with store.database.write() as session:
        outbox.add(session, Outbox, [message()])
        await session.flush()
    last = message()

    await store.commit(last)

    await eventually(store.is_empty)
    assert reader.ids == [last.id]


class TestAKillBetweenPublishingAndDeleting:
    async def test_has_the_batch_published_again(self, store: Store, reader: Reader, start_relay: StartRelay) -> None:
        sent = [message(), message()]
        reader.hang()
        await store.commit(*sent)
        running = await start_relay()
        await reader.arrived.wait()

        await running.kill()
        reader.goes_on.set()

        assert await store.count() == len(sent)
        await start_relay()
        await eventually(store.is_empty)
        ids = [message.id for message in sent]
        assert reader.ids == ids + ids


class TestABusThatIsAway:
    async def test_leaves_everything_in_place_and_then_gets_it_in_order(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        messages = [message() for _ in range(5)]
        await reader.bus.stop()
        await start_relay()

        await store.commit(*messages)

        await eventually(lambda: _is_reported("parley_outbox_oldest_seconds", 0.01))
        assert await store.count() == len(messages)
        await reader.bus.start()
        await eventually(store.is_empty)
        assert reader.ids == [sent.id for sent in messages]
        await eventually(lambda: _is_reported("parley_outbox_oldest_seconds", 0, 0))


class TestAMessageThatIsRefused:
    async def test_holds_up_what_is_behind_it_and_nothing_before_it(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        before, refused, after = message(), message("nobody"), message()
        await store.commit(before, refused, after)

        await start_relay()

        await eventually(lambda: _has_count(store, 2))
        await _remove(store, refused.id)
        await eventually(store.is_empty)
        assert reader.ids[0] == before.id
        assert reader.ids[-1] == after.id
        assert refused.id not in reader.ids

    async def test_has_what_is_behind_it_sent_no_more_than_twice(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        refused, after = message("nobody"), message()
        await store.commit(refused, after)
        failures = _metric("parley_outbox_failures_total")

        await start_relay()

        await eventually(lambda: _is_reported("parley_outbox_failures_total", failures + 5))
        await _remove(store, refused.id)
        await eventually(store.is_empty)
        assert len(reader.ids) <= 2
        assert set(reader.ids) == {after.id}


class TestOnEmpty:
    async def test_names_a_moment_before_which_everything_committed_is_published(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        told: list[datetime] = []
        published: list[int] = []

        async def on_empty(as_of: datetime) -> None:
            told.append(as_of)
            published.append(len(reader.read))

        await start_relay(on_empty=on_empty)
        committed: list[datetime] = []
        for _ in range(20):
            await store.commit(message())
            committed.append(now())

        await eventually(lambda: _is_after(told, committed[-1]))
        for as_of, number in zip(told, published, strict=True):
            assert number >= sum(moment < as_of for moment in committed)

    async def test_is_silent_while_something_is_not_confirmed(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        told: list[datetime] = []

        async def on_empty(as_of: datetime) -> None:
            told.append(as_of)

        reader.hang()
        await store.commit(message())
        await start_relay(on_empty=on_empty)
        await reader.arrived.wait()

        assert told == []
        reader.goes_on.set()
        await eventually(lambda: _has_more_than(told, 0))


async def test_writers_are_not_held_up_while_a_message_is_being_published(
    store: Store, reader: Reader, start_relay: StartRelay
) -> None:
    reader.hang()
    await store.commit(message())
    await start_relay()
    await reader.arrived.wait()

    async with asyncio.timeout(2):
        await store.commit(message())

    assert await store.count() == 2


class TestTwoRelays:
    """Of two replicas, each with its own connections."""

    @pytest.fixture(params=["postgresql"])
    def database_url(self, postgresql_database: str) -> str:
        return postgresql_database

    async def test_one_takes_over_when_the_connection_of_the_other_dies(
        self,
        store: Store,
        reader: Reader,
        start_reader: StartReader,
        start_relay: StartRelay,
        database_url: str,
    ) -> None:
        other = await start_reader()
        other_database = Database(database_url)
        passes: list[object] = []
        event.listen(other_database.engine.sync_engine, "checkin", lambda *_: passes.append(_))
        sent, later = message(), message()
        reader.hang()
        await store.commit(sent)
        await start_relay()
        await reader.arrived.wait()
        second = await start_relay(database=other_database, bus=other.bus)
        await eventually(lambda: _has_more_than(passes, 3))
        assert other.read == []

        await _terminate(store, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'")

        await eventually(lambda: _has_more_than(other.read, 0))
        await eventually(store.is_empty)
        assert other.ids == [sent.id]
        await second.kill()
        await other_database.close()
        reader.goes_on.set()
        await store.commit(later)
        await eventually(store.is_empty)
        assert later.id in reader.ids

    async def test_a_relay_outlives_the_loss_of_every_connection(
        self, store: Store, reader: Reader, start_relay: StartRelay
    ) -> None:
        await start_relay()
        await store.commit(message())
        await eventually(store.is_empty)

        await _terminate(
            store,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

        await eventually(lambda: _commits(store))
        await eventually(store.is_empty)
        assert len(reader.read) == 2


async def _commits(store: Store) -> bool:
    """Not over a connection that was lost as well, as services do."""
    try:
        await store.commit(message())
    except DatabaseUnavailable:
        return False
    return True


async def _terminate(store: Store, pids: str) -> None:
    async with store.database.write() as session:
        for pid in (await session.scalars(text(pids))).all():
            await session.execute(select(func.pg_terminate_backend(pid)))


async def _remove(store: Store, message_id: str) -> None:
    async with store.database.write() as session:
        await session.execute(delete(Outbox).where(Outbox.message_id == message_id))
        await session.commit()


async def _has_count(store: Store, count: int) -> bool:
    return await store.count() == count


async def _is_after(moments: list[datetime], moment: datetime) -> bool:
    return bool(moments) and moments[-1] > moment


async def _has_more_than(found: Sized, number: int) -> bool:
    return len(found) > number


def _metric(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"outbox": NAME}) or 0.0


async def _is_reported(name: str, low: float, high: float = math.inf) -> bool:
    return low <= _metric(name) <= high
