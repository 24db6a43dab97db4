import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from messaging.bus import Bus, Delivery, Message, PublishError, RetryPolicy, TryAgain
from messaging.in_process import InProcessBroker, InProcessBus
from tests.conformance.bus_suite import BusSuite, skipped_without
from tests.support.bus import FAST, Failing, Gate, Lab, Recorder, numbers


class InProcessLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self._broker = InProcessBroker(self.topology)

    def bus(self, retry: RetryPolicy = FAST) -> Bus:
        bus = InProcessBus(self.topology, retry, self._broker)
        self.buses.append(bus)
        return bus

    async def queue_up(self, bus: Bus, messages: Sequence[Message]) -> None:
        self.publish_later(bus.publish(messages))
        await asyncio.sleep(0)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab = InProcessLab()
    yield lab
    await lab.close()


class TestInProcessBus(BusSuite):
    capabilities = frozenset()


def test_the_in_process_bus_skips_what_needs_a_broker_and_nothing_else() -> None:
    assert skipped_without(BusSuite, TestInProcessBus.capabilities) == {
        "test_nothing_accepted_is_lost_and_all_comes_back_by_itself_when_the_broker_restarts",
        "test_a_deleted_queue_comes_back_and_is_consumed_again",
    }


class TestDurablePublishInOneProcess:
    """There is no disk to keep a message, so its publisher keeps it until every durable queue has settled it."""

    async def test_returns_when_every_durable_queue_has_handled_it(self, lab: Lab) -> None:
        first, second = Gate(), Gate()
        bus = lab.bus()
        bus.consume(lab.first, first)
        bus.consume(lab.second, second)
        await lab.start(bus)

        publishing = lab.publish_later(bus.publish(lab.messages(2)))
        first.open.set()
        await first.until(lambda: first.finished == numbers(2))
        _, pending = await asyncio.wait({publishing}, timeout=0.05)
        assert pending
        second.open.set()

        await publishing
        assert second.finished == numbers(2)

    async def test_waits_for_a_consumer_that_is_yet_to_come(self, lab: Lab) -> None:
        publisher, consumer = lab.bus(), lab.bus()
        consumer.consume(lab.first, Recorder())
        consumer.consume(lab.second, Recorder())
        await lab.start(publisher)

        publishing = lab.publish_later(publisher.publish(lab.messages(1)))
        _, pending = await asyncio.wait({publishing}, timeout=0.05)
        assert pending
        await lab.start(consumer)

        await publishing

    async def test_waits_through_retries_and_returns_when_it_is_a_dead_letter(self, lab: Lab) -> None:
        tried_again, given_up, dead = Failing(b"0", TryAgain(), times=3), Failing(b"0", RuntimeError("no")), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, tried_again)
        bus.consume(lab.second, given_up)
        bus.consume(f"{lab.second}.dead", dead)
        await lab.start(bus)

        await bus.publish(lab.messages(1))

        assert tried_again.handled == [b"0"]
        assert len(given_up.deliveries) == FAST.max_attempts
        await dead.until_it_has(1)

    async def test_raises_when_the_bus_stops_before_that(self, lab: Lab) -> None:
        handled, waiting = Recorder(), Failing(b"1", TryAgain("the database is away"))
        bus = lab.bus()
        bus.consume(lab.first, handled)
        bus.consume(lab.second, waiting, batch_size=1)
        await lab.start(bus)
        messages = lab.messages(3)
        publishing = lab.publish_later(bus.publish(messages))
        await waiting.until(lambda: waiting.left < 1_000_000)

        await bus.stop()

        with pytest.raises(PublishError) as caught:
            await publishing
        assert caught.value.failed == tuple(messages[1:])

    async def test_does_not_run_handlers_in_the_publishers_task(self, lab: Lab) -> None:
        tasks: list[asyncio.Task[object] | None] = []

        async def handler(_batch: Sequence[Delivery]) -> None:
            tasks.append(asyncio.current_task())

        bus = lab.bus()
        bus.consume(lab.first, handler)
        bus.consume(lab.second, handler)
        await lab.start(bus)

        await bus.publish(lab.messages(1))

        assert len(set(tasks)) == 2
        assert asyncio.current_task() not in tasks

    async def test_that_is_not_durable_waits_for_nobody(self, lab: Lab) -> None:
        bus = lab.bus()
        await lab.start(bus)

        await bus.publish([lab.message(durable=False)])
