import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, HeadersType
from pamqp.commands import Basic
from prometheus_client import REGISTRY
from yarl import URL

from messaging.bus import Binding, Bus, Message, PublishError, RetryPolicy
from messaging.rabbitmq import RabbitMQBus
from tests.conformance.bus_suite import BROKER_RESTART, QUEUE_DELETION, BusSuite, skipped_without
from tests.support.bus import FAST, Failing, Gate, Lab, Recorder, until_connected
from tests.support.eventually import eventually
from tests.support.servers.server import OwnServer
from tests.support.tcp_proxy import TcpProxy


class RabbitMQLab(Lab):
    def __init__(self, url: str, broker: OwnServer | None = None, publish_timeout: float = 10.0) -> None:
        super().__init__()
        self.url = url
        self._broker = broker
        self._publish_timeout = publish_timeout

    def bus(self, retry: RetryPolicy = FAST) -> Bus:
        bus = RabbitMQBus(self.url, self.topology, "conformance", retry, self._publish_timeout)
        self.buses.append(bus)
        return bus

    async def queue_up(self, bus: Bus, messages: Sequence[Message]) -> None:
        await bus.publish(messages)

    async def restart_broker(self) -> None:
        assert self._broker is not None
        await self._broker.restart()

    async def kill_and_start_broker(self) -> None:
        assert self._broker is not None
        await self._broker.kill()
        await self._broker.start()

    async def delete_queue(self, name: str) -> None:
        async with channel_to(self.url) as channel:
            await channel.queue_delete(name)

    async def clear_up(self) -> None:
        await self.close()
        async with channel_to(self.url) as channel:
            for queue in self.topology.queues:
                await channel.queue_delete(queue)
                await channel.queue_delete(f"{queue}.dead")
            await channel.exchange_delete(self.exchange)


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> tuple[str, OwnServer | None]:
    if any(mark.args[0] == BROKER_RESTART for mark in request.node.iter_markers("needs")):
        own: OwnServer = request.getfixturevalue("own_rabbitmq")
        return own.url, own
    return request.getfixturevalue("rabbitmq_url"), None


@pytest.fixture
async def lab(broker: tuple[str, OwnServer | None]) -> AsyncIterator[RabbitMQLab]:
    lab = RabbitMQLab(*broker)
    yield lab
    await lab.clear_up()


class TestRabbitMQBus(BusSuite):
    capabilities = frozenset({BROKER_RESTART, QUEUE_DELETION})


def test_the_rabbitmq_bus_skips_nothing() -> None:
    assert skipped_without(BusSuite, TestRabbitMQBus.capabilities) == set()


class TestStrangersMessages:
    async def test_without_a_type_and_with_headers_of_other_kinds_are_handled(self, lab: RabbitMQLab) -> None:
        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        async with channel_to(lab.url) as channel:
            exchange = await channel.get_exchange(lab.exchange, ensure=False)
            strange: HeadersType = {"number": 5, "deep": {"list": [1, None]}, "x": bytearray(b"\xff"), "text": "kept"}
            await exchange.publish(aio_pika.Message(b"0", headers=strange, message_id="its id"), lab.KEY)
            underlay = await channel.get_underlay_channel()
            nothing = Basic.Properties()
            await underlay.basic_publish(b"1", exchange=lab.exchange, routing_key=lab.KEY, properties=nothing)

        await handler.until_it_has(2)
        first, second = handler.deliveries
        assert (first.type, first.id, first.headers) == ("", "its id", {"text": "kept"})
        assert (second.body, second.type, second.headers) == (b"1", "", {})

    async def test_become_dead_letters_like_any_other(self, lab: RabbitMQLab) -> None:
        handler, dead = Failing(b"0", RuntimeError("what is this")), Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        bus.consume(f"{lab.first}.dead", dead)
        await lab.start(bus)

        async with channel_to(lab.url) as channel:
            exchange = await channel.get_exchange(lab.exchange, ensure=False)
            await exchange.publish(aio_pika.Message(b"0", headers={"number": 5, "text": "kept"}), lab.KEY)
            await exchange.publish(aio_pika.Message(b"1"), lab.KEY)

        await dead.until_it_has(1)
        assert dead.deliveries[0].headers["text"] == "kept"
        await handler.until(lambda: handler.handled == [b"1"])


class TestDeadLetters:
    async def test_that_cannot_be_kept_stay_where_they_are(self, lab: RabbitMQLab) -> None:
        handler = Failing(b"0", RuntimeError("cannot"))
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)
        await lab.delete_queue(f"{lab.first}.dead")

        def times_put_off() -> float:
            return REGISTRY.get_sample_value("parley_bus_retried_total", {"queue": lab.first}) or 0.0

        await bus.publish(lab.messages(1))
        await handler.until_it_has(FAST.max_attempts)
        await bus.publish([lab.message("behind it")])
        await handler.until(lambda: times_put_off() > FAST.max_attempts)
        assert handler.handled == []
        reader, dead = lab.bus(), Recorder()
        reader.consume(f"{lab.first}.dead", dead)
        await lab.start(reader)  # declares the queue anew

        await dead.until_it_has(1)
        await handler.until(lambda: handler.handled == [b"behind it"])


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    url = URL(rabbitmq_url)
    proxy = TcpProxy(url.host or "", url.port or 5672)
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def cut_off(rabbitmq_url: str, proxy: TcpProxy) -> AsyncIterator[RabbitMQLab]:
    """A lab whose buses are behind a network that fails."""
    lab = RabbitMQLab(str(URL(rabbitmq_url).with_host("127.0.0.1").with_port(proxy.port)), publish_timeout=2.0)
    yield lab
    proxy.mend()
    await lab.clear_up()


class TestNetwork:
    async def test_a_bus_starts_without_a_broker_and_connects_when_there_is_one(
        self, cut_off: RabbitMQLab, proxy: TcpProxy
    ) -> None:
        proxy.refuse()
        bus = cut_off.bus()
        await bus.start()
        await eventually(proxy.has_refused)

        with pytest.raises(PublishError):
            await bus.publish(cut_off.messages(1))
        assert not bus.connected
        proxy.mend()

        await until_connected(bus)
        await bus.publish(cut_off.messages(1))

    async def test_a_publish_that_is_not_confirmed_in_time_has_failed_and_the_next_goes_on(
        self, cut_off: RabbitMQLab, proxy: TcpProxy
    ) -> None:
        handler = Recorder()
        bus = cut_off.bus()
        bus.consume(cut_off.first, handler)
        await cut_off.start(bus)
        # one of them will come back as unroutable, long after its publisher has gone
        unknown = [cut_off.message("a"), cut_off.message("b", key="nobody"), cut_off.message("c")]

        proxy.freeze()
        with pytest.raises(PublishError) as caught:
            await bus.publish(unknown)
        proxy.mend()
        await bus.publish([cut_off.message("after")])

        assert caught.value.failed == tuple(unknown)
        await handler.until_it_got(b"after")

    async def test_a_cut_makes_publishes_in_flight_fail_and_the_bus_comes_back(
        self, cut_off: RabbitMQLab, proxy: TcpProxy
    ) -> None:
        resets: list[bool] = []

        async def on_reset() -> None:
            resets.append(True)

        handler, heard = Recorder(), Recorder()
        bus = cut_off.bus()
        bus.consume(cut_off.first, handler)
        bus.listen("listener", [Binding(cut_off.exchange, cut_off.KEY)], heard, on_reset=on_reset)
        await cut_off.start(bus)

        proxy.freeze()
        publishing = asyncio.create_task(bus.publish(cut_off.messages(3)))
        await asyncio.sleep(0)
        proxy.cut()
        with pytest.raises(PublishError) as caught:
            await publishing
        proxy.mend()
        await until_connected(bus)
        await bus.publish([cut_off.message("after")])

        assert len(caught.value.failed) == 3
        await handler.until_it_got(b"after")
        await heard.until_it_got(b"after")
        assert resets

    async def test_a_handler_outlives_the_connection_and_never_runs_twice_at_a_time(
        self, cut_off: RabbitMQLab, proxy: TcpProxy
    ) -> None:
        handler = Gate()
        bus = cut_off.bus()
        bus.consume(cut_off.first, handler)
        await cut_off.start(bus)
        await bus.publish(cut_off.messages(1))
        await handler.until_it_has(1)

        proxy.cut()
        await eventually(lambda: _is(not bus.connected))
        await until_connected(bus)
        await bus.publish([cut_off.message("after")])
        assert handler.bodies == [b"0"]
        handler.open.set()

        await handler.until_it_got(b"after")
        assert handler.bodies == handler.finished == [b"0", b"0", b"after"]  # not acked, so it came again


async def _is(value: bool) -> bool:
    return value
