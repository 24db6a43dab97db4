import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import HeadersType
from pamqp.commands import Basic
from prometheus_client import REGISTRY
from yarl import URL

from messaging.bus import Binding, PublishError
from tests.conformance.bus_suite import BROKER_RESTART, QUEUE_DELETION, BusSuite, skipped_without
from tests.support.bus import FAST, Failing, Gate, Recorder, until_connected
from tests.support.eventually import eventually
from tests.support.rabbitmq import RabbitMQLab, channel_to
from tests.support.servers.server import OwnServer
from tests.support.tcp_proxy import TcpProxy


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

    @pytest.mark.parametrize(
        "properties",
        [
            pytest.param(b"\x00\x20" + b"\x02\xff\xfe", id="a type"),
            pytest.param(b"\x04\x00" + b"\x02\xff\xfe", id="a correlation id"),
            pytest.param(b"\x20\x00" + b"\x00\x00\x00\x08" + b"\x02\xff\xfeS\x00\x00\x00\x00", id="a header's name"),
            pytest.param(b"\x00\x40" + b"\xff" * 8, id="a time"),
        ],
    )
    async def test_whose_properties_cannot_be_read_are_handled_and_the_others_too(
        self, lab: RabbitMQLab, properties: bytes
    ) -> None:
        class Unreadable(Basic.Properties):
            def marshal(self) -> bytes:
                return properties

        handler = Recorder()
        bus = lab.bus()
        bus.consume(lab.first, handler)
        await lab.start(bus)

        async with channel_to(lab.url) as channel:
            underlay = await channel.get_underlay_channel()
            for body, sent in ((b"0", Basic.Properties()), (b"1", Unreadable()), (b"2", Basic.Properties())):
                await underlay.basic_publish(body, exchange=lab.exchange, routing_key=lab.KEY, properties=sent)

        await handler.until_it_has(3)
        assert handler.bodies == [b"0", b"1", b"2"]  # and not once more: the connection has held
        assert (handler.deliveries[1].type, handler.deliveries[1].id) == ("", "")

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
