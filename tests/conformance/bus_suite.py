"""What every bus must do. Each adapter's test file runs this suite; what an adapter cannot do, it declares."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, TypeVar

import pytest
from prometheus_client import REGISTRY

from messaging.bus import Binding, Delivery, Message, PublishError, RetryPolicy, TryAgain, Unroutable
from tests.support.bus import FAST, Failing, Gate, Lab, Leaving, Recorder, nothing, numbers, until_connected
from tests.support.eventually import eventually
from tests.support.shapes import assert_time

Test = TypeVar("Test", bound=Callable[..., object])

BROKER_RESTART = "the broker can be restarted under the bus"
QUEUE_DELETION = "a queue can be deleted under its consumer"


def needs(capability: str) -> Callable[[Test], Test]:
    return pytest.mark.needs(capability)


def skipped_without(suite: type, capabilities: frozenset[str]) -> set[str]:
    """The names of the tests that an adapter with these capabilities does not run."""
    return {
        name
        for name in dir(suite)
        for mark in getattr(getattr(suite, name), "pytestmark", ())
        if mark.name == "needs" and mark.args[0] not in capabilities
    }


class BusSuite:
    capabilities: ClassVar[frozenset[str]]

    @pytest.fixture(autouse=True)
    def _skip_what_the_adapter_cannot_do(self, request: pytest.FixtureRequest) -> None:
        for mark in request.node.iter_markers("needs"):
            if mark.args[0] not in self.capabilities:
                pytest.skip(f"not so here: {mark.args[0]}")

    # --- delivering

    async def test_a_message_arrives_as_it_was_sent(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)
        sent = Message(
            lab.exchange,
            lab.KEY,
            b'{"specversion":"1.0"}',
            type="test.happened.v1",
            id="an id",
            content_type="application/cloudevents-batch+json",
            headers={"traceparent": "00-1-2-03", "name": "Zoë 🦜 \u202e"},
        )

        await lab.queue_up(bus, [sent])

        await handler.until_it_has(1)
        assert handler.deliveries == [
            Delivery(sent.exchange, sent.key, sent.body, sent.type, sent.id, sent.content_type, sent.headers, attempt=1)
        ]

    @pytest.mark.parametrize("body", [b"", b"\x00", b"\xff\xfe\xc3\x28", b"not json", b"x" * 1_000_000], ids=len)
    async def test_a_hostile_body_is_delivered_as_it_is(self, lab: Lab, body: bytes) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, [lab.message(body)])

        await handler.until_it_has(1)
        assert handler.bodies == [body]

    async def test_every_queue_bound_with_the_key_gets_the_message(self, lab: Lab) -> None:
        first, second = Recorder(), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, first)
        bus.consume(lab.second, second)
        await lab.start(bus)

        await lab.queue_up(bus, [lab.message("both")])

        await first.until_it_has(1)
        await second.until_it_has(1)

    async def test_a_message_with_another_key_does_not_arrive(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, [lab.message("other", key="key.more", durable=False), lab.message("mine")])

        await handler.until_it_has(1)
        assert handler.bodies == [b"mine"]

    async def test_two_messages_with_one_id_both_arrive(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, [lab.message("one", id="same"), lab.message("two", id="same")])

        await handler.until_it_has(2)
        assert [(delivery.body, delivery.id) for delivery in handler.deliveries] == [(b"one", "same"), (b"two", "same")]

    async def test_a_durable_queue_keeps_what_comes_before_any_consumer(self, lab: Lab) -> None:
        publisher, consumer, handler = lab.bus(), lab.bus(), Recorder()
        consumer.consume(lab.first, handler)
        await lab.start(publisher)

        await lab.queue_up(publisher, lab.messages(20))
        await lab.start(consumer)

        await handler.until_it_has(20)
        assert handler.bodies == numbers(20)

    # --- order and batches

    async def test_many_messages_keep_their_order(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler, batch_size=50)
        await lab.start(bus)

        for start in range(0, 1_000, 100):
            await lab.queue_up(bus, lab.messages(1_000)[start : start + 100])

        await handler.until_it_has(1_000)
        assert handler.bodies == numbers(1_000)

    async def test_order_is_kept_when_a_message_in_the_middle_is_tried_again(self, lab: Lab) -> None:
        handler = Failing(b"50", RuntimeError("not yet"), times=2)
        bus = lab.bus()
        bus.consume(lab.first, handler, batch_size=10)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(100))

        await handler.until(lambda: len(handler.handled) >= 100)
        assert handler.handled == numbers(100)

    async def test_what_piled_up_comes_as_one_batch_up_to_its_size(self, lab: Lab) -> None:
        handler = Gate()
        bus = lab.bus()
        bus.consume(lab.first, handler, batch_size=10)
        await lab.start(bus)

        async def sizes_after_a_pause() -> list[int]:
            handler.open.clear()
            handler.batches.clear()
            await lab.queue_up(bus, [lab.message("holds the handler up")])
            await handler.until_it_has(1)
            await lab.queue_up(bus, lab.messages(15))
            handler.open.set()
            await handler.until_it_has(16)
            return [len(batch) for batch in handler.batches]

        # several times, because a broker may still be bringing the last of them when the handler goes on
        assert [1, 10, 5] in [await sizes_after_a_pause() for _ in range(20)]

    async def test_a_batch_is_never_bigger_than_asked_for(self, lab: Lab) -> None:
        publisher, consumer, handler = lab.bus(), lab.bus(), Recorder()
        consumer.consume(lab.first, handler, batch_size=7)
        await lab.start(publisher)
        await lab.queue_up(publisher, lab.messages(100))

        await lab.start(consumer)

        await handler.until_it_has(100)
        assert max(len(batch) for batch in handler.batches) == 7

    # --- several instances

    async def test_of_two_instances_one_handles_a_durable_queue_however_slowly(self, lab: Lab) -> None:
        one, other, first, second = lab.bus(), lab.bus(), Gate(), Gate()
        one.consume(lab.first, first, batch_size=1)
        other.consume(lab.first, second, batch_size=1)
        await lab.start(one, other)

        await lab.queue_up(one, lab.messages(20))
        await first.until(lambda: bool(first.bodies or second.bodies))
        await lab.queue_up(other, [lab.message("last")])
        first.open.set()
        second.open.set()

        await first.until(lambda: b"last" in first.finished + second.finished)
        assert sorted([first.bodies, second.bodies]) == [[], [*numbers(20), b"last"]]

    async def test_another_instance_takes_over_when_the_first_stops(self, lab: Lab) -> None:
        one, other, publisher = lab.bus(), lab.bus(), lab.bus()
        first, second = Recorder(), Recorder()
        one.consume(lab.first, first)
        other.consume(lab.first, second)
        await lab.start(one)
        await lab.start(other, publisher)
        await lab.queue_up(publisher, lab.messages(10))
        await first.until(lambda: len(first.deliveries) + len(second.deliveries) == 10)

        await one.stop()
        await lab.queue_up(publisher, [lab.message("after")])

        await second.until_it_got(b"after")

    async def test_a_broadcast_reaches_every_instance_and_every_listener(self, lab: Lab) -> None:
        handlers = [Recorder(), Recorder(), Recorder()]
        one, other = lab.bus(), lab.bus()
        for bus, handler in zip((one, one, other), handlers, strict=True):
            bus.listen("listener", [Binding(lab.exchange, "all")], handler, on_reset=nothing)
        await lab.start(one, other)

        await lab.queue_up(one, [lab.message("hear", key="all", durable=False)])

        for handler in handlers:
            await handler.until_it_has(1)
            assert handler.bodies == [b"hear"]

    # --- broadcast queues

    async def test_a_listener_hears_what_it_is_bound_to_and_nothing_after_it_unbinds(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        broadcast = bus.listen("listener", [Binding(lab.exchange, "end")], handler, on_reset=nothing)
        await lab.start(bus)
        a, b = Binding(lab.exchange, "a"), Binding(lab.exchange, "b")

        async def say(word: str) -> None:
            for key in ("a", "b"):
                await lab.queue_up(bus, [lab.message(f"{word} {key}", key=key, durable=False)])

        await say("before")
        await broadcast.bind([a, b])
        await say("bound")
        await broadcast.unbind([a])
        await broadcast.bind([b])
        await broadcast.bind([Binding(lab.exchange, "c")])
        await say("half")
        await lab.queue_up(bus, [lab.message("end", key="end", durable=False)])

        await handler.until_it_got(b"end")
        assert handler.bodies == [b"bound a", b"bound b", b"half b", b"end"]

    async def test_binding_waits_for_the_bus_to_connect(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        broadcast = bus.listen("listener", [], handler, on_reset=nothing)
        binding = asyncio.create_task(broadcast.bind([Binding(lab.exchange, "a")]))
        _, pending = await asyncio.wait({binding}, timeout=0.1)
        assert pending

        await lab.start(bus)
        await binding
        await lab.queue_up(bus, [lab.message("heard", key="a", durable=False)])

        await handler.until_it_has(1)

    async def test_a_full_broadcast_queue_drops_its_oldest(self, lab: Lab) -> None:
        handler = Gate()
        bus = lab.bus()
        bus.listen("listener", [Binding(lab.exchange, "a")], handler, on_reset=nothing, max_length=10, batch_size=1)
        await lab.start(bus)
        await lab.queue_up(bus, [lab.message("0", key="a", durable=False)])
        await handler.until_it_has(1)

        await lab.queue_up(bus, [lab.message(str(n), key="a", durable=False) for n in range(1, 101)])
        handler.open.set()

        await handler.until_it_got(b"100")
        heard = [int(body) for body in handler.bodies]
        assert heard == sorted(heard)
        assert heard[-10:] == list(range(91, 101))
        assert len(heard) <= 10 + 1 + 2  # one in the handler's hands, two on their way

    async def test_a_broadcast_that_its_handler_fails_on_is_dropped_alone(self, lab: Lab) -> None:
        handler = Failing(b"5", RuntimeError("cannot"))
        bus = lab.bus()
        bus.listen("listener", [Binding(lab.exchange, "a")], handler, on_reset=nothing)
        await lab.start(bus)

        await lab.queue_up(bus, [lab.message(str(n), key="a", durable=False) for n in range(10)])

        await handler.until(lambda: b"9" in handler.handled)
        assert handler.handled == [body for body in numbers(10) if body != b"5"]

    # --- failures

    async def test_a_failed_message_is_tried_again_with_the_next_attempt(self, lab: Lab) -> None:
        handler = Failing(b"0", RuntimeError("not yet"), times=2)
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(1))

        await handler.until(lambda: handler.handled == [b"0"])
        assert [delivery.attempt for delivery in handler.deliveries[:1]] == [3]
        assert len(handler.batches) == 3

    async def test_a_retry_touches_only_the_queue_whose_handler_failed(self, lab: Lab) -> None:
        failing, other = Failing(b"0", RuntimeError("not yet"), times=2), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, failing)
        bus.consume(lab.second, other)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(1))
        await failing.until(lambda: failing.handled == [b"0"])
        await lab.queue_up(bus, [lab.message("after")])

        await other.until_it_has(2)
        assert other.bodies == [b"0", b"after"]

    async def test_a_failing_message_costs_the_others_of_its_batch_no_attempt(self, lab: Lab) -> None:
        attempts: dict[bytes, list[int]] = {}

        async def handler(batch: Sequence[Delivery]) -> None:
            for delivery in batch:
                attempts.setdefault(delivery.body, []).append(delivery.attempt)
            if any(delivery.body == b"5" for delivery in batch):
                raise RuntimeError("cannot")

        publisher, bus, dead = lab.bus(), lab.bus(), Recorder()
        bus.consume(lab.first, handler)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(publisher)
        await lab.queue_up(publisher, lab.messages(10))

        await lab.start(bus)

        await dead.until_it_has(1)
        await dead.until(lambda: len(attempts) == 10)
        assert max(attempts.pop(b"5")) == 3
        assert all(set(numbers) == {1} for numbers in attempts.values())

    async def test_after_the_last_attempt_a_message_is_a_dead_letter_and_the_next_goes_on(self, lab: Lab) -> None:
        handler, dead = Failing(b"1", RuntimeError("it is cursed")), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(bus)
        messages = lab.messages(3)

        await lab.queue_up(bus, messages)

        await handler.until(lambda: handler.handled == [b"0", b"2"])
        await dead.until_it_has(1)
        letter = dead.deliveries[0]
        assert (letter.body, letter.id, letter.type) == (b"1", messages[1].id, messages[1].type)
        assert letter.content_type == messages[1].content_type
        headers = dict(letter.headers)
        assert_time(headers.pop("x-parley-put-away-at"))
        assert headers == {
            "x-parley-reason": "RuntimeError: it is cursed",
            "x-parley-attempts": "3",
            "x-parley-exchange": lab.exchange,
            "x-parley-key": lab.KEY,
        }

    async def test_a_rejected_message_is_a_dead_letter_at_once_and_alone(self, lab: Lab) -> None:
        seen: list[bytes] = []

        async def handler(batch: Sequence[Delivery]) -> None:
            for delivery in batch:
                seen.append(delivery.body)
                if delivery.body == b"5":
                    delivery.reject("not a command \ud800 \u2713")

        bus, dead = lab.bus(), Recorder()
        bus.consume(lab.first, handler)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(10))

        await dead.until_it_has(1)
        await dead.until(lambda: len(seen) == 10)
        assert seen == numbers(10)
        assert [letter.body for letter in dead.deliveries] == [b"5"]
        assert dead.deliveries[0].headers["x-parley-reason"] == "not a command \\ud800 \u2713"
        assert dead.deliveries[0].headers["x-parley-attempts"] == "1"

    @pytest.mark.parametrize("error", [TryAgain("the database is away"), PublishError("not connected", ())], ids=type)
    async def test_what_is_not_a_messages_fault_is_tried_again_as_often_as_it_takes(
        self, lab: Lab, error: Exception
    ) -> None:
        handler, dead = Failing(b"0", error, times=10), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(3))

        await handler.until(lambda: handler.handled == numbers(3))
        assert {delivery.attempt for delivery in handler.deliveries} == {1}
        assert dead.deliveries == []

    async def test_a_cancellation_inside_a_handler_is_a_failure_like_any_other(self, lab: Lab) -> None:
        handled = Recorder()

        async def handler(batch: Sequence[Delivery]) -> None:
            if batch[0].attempt == 1:
                raise asyncio.CancelledError
            await handled(batch)

        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(1))

        await handled.until_it_has(1)
        assert handled.deliveries[0].attempt == 2

    # --- the rest of a batch

    async def test_the_rest_of_a_batch_is_done_while_the_next_is_handled_and_in_order(self, lab: Lab) -> None:
        handler = Leaving()
        bus = lab.bus()
        bus.consume(lab.first, handler, batch_size=1)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(20))

        await handler.until(lambda: handler.handled == numbers(2))  # while nothing of the first is finished
        assert handler.finished == []
        handler.open.set()
        await handler.until(lambda: handler.finished == numbers(20))
        assert handler.handled == numbers(20)

    async def test_a_rest_that_can_not_be_published_is_done_again_and_its_batch_not_handled_again(
        self, lab: Lab
    ) -> None:
        handler = Leaving(failures=3)
        handler.open.set()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(5))

        await handler.until(lambda: handler.finished == numbers(5))
        assert handler.handled == numbers(5)

    async def test_a_batch_whose_rest_is_not_done_is_not_acknowledged(self, lab: Lab) -> None:
        handler, other = Leaving(), Recorder()
        bus, successor = lab.bus(), lab.bus()
        bus.consume(lab.first, handler, batch_size=3)
        successor.consume(lab.first, other)
        await lab.start(bus)
        await lab.queue_up(bus, lab.messages(3))
        await handler.until(lambda: bool(handler.handled))

        await bus.stop()  # which cuts the rest short after its time of grace
        await lab.start(successor)

        await other.until_it_has(3)
        assert handler.finished == []

    async def test_stop_waits_for_the_rest(self, lab: Lab) -> None:
        handler, other = Leaving(), Recorder()
        bus, successor = lab.bus(), lab.bus()
        bus.consume(lab.first, handler)
        successor.consume(lab.first, other)
        await lab.start(bus)
        await lab.queue_up(bus, lab.messages(1))
        await handler.until(lambda: handler.handled == numbers(1))

        stopping = asyncio.create_task(bus.stop())
        done, _ = await asyncio.wait({stopping}, timeout=0.3)
        assert not done
        handler.open.set()
        await stopping
        await lab.start(successor)

        assert handler.finished == numbers(1)
        await lab.queue_up(successor, [lab.message("the next")])
        await other.until_it_has(1)
        assert other.bodies == [b"the next"]

    # --- publishing

    async def test_a_handlers_exception_never_reaches_the_publisher(self, lab: Lab) -> None:
        handler, other = Failing(b"0", RuntimeError("cannot")), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        bus.consume(lab.second, other)
        await lab.start(bus)

        await bus.publish(lab.messages(1))

        await other.until_it_has(1)

    async def test_publish_raises_for_a_durable_message_nobody_is_bound_to_and_sends_the_others(self, lab: Lab) -> None:
        handlers = [Recorder(), Recorder()]
        bus = lab.bus()
        bus.consume(lab.first, handlers[0])
        bus.consume(lab.second, handlers[1])
        await lab.start(bus)
        before, lost, after = lab.message("before"), lab.message("lost", key="nobody"), lab.message("after")

        with pytest.raises(Unroutable) as caught:
            await bus.publish([before, lost, after])

        assert caught.value.failed == (lost,)
        for handler in handlers:
            await handler.until_it_has(2)
            assert handler.bodies == [b"before", b"after"]

    async def test_a_message_that_is_not_durable_may_find_nobody(self, lab: Lab) -> None:
        bus = lab.bus()
        await lab.start(bus)

        await bus.publish([lab.message(key="nobody", durable=False)])

    async def test_publish_raises_at_once_when_the_bus_is_not_connected(self, lab: Lab) -> None:
        bus = lab.bus()
        messages = lab.messages(2)
        assert not bus.connected

        with pytest.raises(PublishError) as never_started:
            await bus.publish(messages)
        await lab.start(bus)
        await bus.stop()
        with pytest.raises(PublishError) as stopped:
            await bus.publish(messages)

        assert never_started.value.failed == stopped.value.failed == tuple(messages)
        assert not bus.connected

    async def test_an_unknown_exchange_or_queue_is_the_callers_mistake(self, lab: Lab) -> None:
        bus = lab.bus()
        await lab.start(bus)

        with pytest.raises(ValueError, match="no exchange is called typo"):
            await bus.publish([Message("typo", lab.KEY, b"", type="t", id="1")])
        with pytest.raises(ValueError, match="no durable queue is called typo"):
            lab.bus().consume("typo", Recorder())

        assert bus.connected

    async def test_what_moves_is_counted_by_exchange_and_by_queue(self, lab: Lab) -> None:
        class Rejecting(Failing):
            async def __call__(self, batch: Sequence[Delivery]) -> None:
                await super().__call__(batch)
                for delivery in batch:
                    if delivery.body in (b"2", b"3"):
                        delivery.reject("not a command")

        handler, dead = Rejecting(b"1", RuntimeError("cannot")), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler, batch_size=1)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(bus)

        await lab.queue_up(bus, lab.messages(5))
        await handler.until_it_got(b"4")
        await dead.until_it_has(3)
        await bus.stop()

        def count(name: str, **labels: str) -> float | None:
            return REGISTRY.get_sample_value(f"parley_bus_{name}_total", labels)

        assert count("published", exchange=lab.exchange) == 5
        assert count("handled", queue=lab.first) == 5
        assert count("retried", queue=lab.first) == FAST.max_attempts - 1
        assert count("dead_lettered", queue=lab.first, kind="failed") == 1
        assert count("dead_lettered", queue=lab.first, kind="rejected") == 2

    # --- stopping and starting

    async def test_stop_waits_for_the_batch_in_hand_and_gives_the_rest_back(self, lab: Lab) -> None:
        one, other, publisher = lab.bus(), lab.bus(), lab.bus()
        first, second = Gate(), Recorder()
        one.consume(lab.first, first, batch_size=5)
        other.consume(lab.first, second)
        await lab.start(publisher)
        await lab.queue_up(publisher, lab.messages(30))
        await lab.start(one)
        await first.until_it_has(1)
        in_hand = list(first.bodies)

        stopping = asyncio.create_task(one.stop())
        _, pending = await asyncio.wait({stopping}, timeout=0.1)
        assert pending
        first.open.set()
        await stopping
        await lab.start(other)

        await second.until_it_has(30 - len(in_hand))
        assert first.finished == first.bodies == in_hand
        assert in_hand + second.bodies == numbers(30)

    async def test_stop_does_not_wait_for_a_retry(self, lab: Lab) -> None:
        handler = Failing(b"0", RuntimeError("cannot"))
        bus = lab.bus(RetryPolicy(first_delay=60, max_delay=60))
        bus.consume(lab.first, handler)
        await lab.start(bus)
        await lab.queue_up(bus, lab.messages(1))
        await handler.until_it_has(1)

        async with asyncio.timeout(5):
            await bus.stop()

    async def test_a_handler_may_publish_before_it_returns_even_while_the_bus_stops(self, lab: Lab) -> None:
        arrived, go_on, heard = asyncio.Event(), asyncio.Event(), Recorder()
        bus, listener = lab.bus(), lab.bus()

        async def handler(batch: Sequence[Delivery]) -> None:
            arrived.set()
            await go_on.wait()
            await bus.publish([lab.message(delivery.body, key="out", durable=False) for delivery in batch])

        bus.consume(lab.first, handler)
        listener.listen("listener", [Binding(lab.exchange, "out")], heard, on_reset=nothing)
        await lab.start(bus, listener)
        await lab.queue_up(bus, lab.messages(1))
        await arrived.wait()

        stopping = asyncio.create_task(bus.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping

        await heard.until_it_has(1)

    async def test_a_bus_can_start_again_and_its_listeners_are_told(self, lab: Lab) -> None:
        resets: list[bool] = []
        queue, broadcast = Recorder(), Recorder()
        bus = lab.bus()

        async def on_reset() -> None:
            resets.append(bus.connected)

        bus.consume(lab.first, queue)
        bus.consume(lab.second, Recorder())
        bus.listen("listener", [Binding(lab.exchange, lab.KEY)], broadcast, on_reset=on_reset)
        await lab.start(bus)
        await bus.publish([lab.message("before")])
        await bus.stop()
        assert resets == []

        await lab.start(bus)
        await bus.publish([lab.message("after")])

        for handler in (queue, broadcast):
            await handler.until_it_has(2)
            assert handler.bodies == [b"before", b"after"]
        assert resets == [True]

    # --- what may happen to a broker

    @needs(BROKER_RESTART)
    @pytest.mark.timeout(180)
    async def test_nothing_accepted_is_lost_and_all_comes_back_by_itself_when_the_broker_restarts(
        self, lab: Lab
    ) -> None:
        resets: list[bool] = []
        accepted: list[bytes] = []
        refused: list[bytes] = []
        first, second, heard = Recorder(), Recorder(), Recorder()
        bus, other = lab.bus(), lab.bus()

        async def on_reset() -> None:
            resets.append(bus.connected)

        async def publish_for_ever() -> None:
            while True:
                message = lab.message(str(len(accepted) + len(refused)))
                try:
                    await bus.publish([message])
                except PublishError:
                    refused.append(message.body)
                    await asyncio.sleep(0.01)
                else:
                    accepted.append(message.body)

        bus.consume(lab.first, first)
        other.consume(lab.second, second)
        broadcast = bus.listen("listener", [], heard, on_reset=on_reset)
        await lab.start(bus, other)
        await broadcast.bind([Binding(lab.exchange, lab.KEY)])
        publishing = lab.publish_later(publish_for_ever())

        async def all_comes_back_after(restart: Callable[[], Awaitable[None]]) -> None:
            resets.clear()
            await restart()
            await until_connected(bus)
            await until_connected(other)
            heard.batches.clear()
            await heard.until_it_has(10)
            await heard.until(lambda: any(resets))

        await heard.until_it_has(10)
        # In good order first: killed, RabbitMQ may lose a quorum queue that it has known only for a moment.
        await all_comes_back_after(lab.restart_broker)
        await all_comes_back_after(lab.kill_and_start_broker)
        publishing.cancel()

        assert refused
        last = accepted[-1]
        for handler in (first, second, heard):
            await handler.until_it_got(last)
        for handler in (first, second):
            assert [body for body in dict.fromkeys(handler.bodies) if body in accepted] == accepted

    @needs(QUEUE_DELETION)
    async def test_a_deleted_queue_comes_back_and_is_consumed_again(self, lab: Lab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)
        await lab.queue_up(bus, [lab.message("before")])
        await handler.until_it_has(1)

        await lab.delete_queue(lab.first)

        async def published() -> bool:
            try:
                await bus.publish([lab.message("after")])
            except PublishError:
                return False
            return b"after" in handler.bodies

        await eventually(published, within=20)
