"""What is promised holds through kills and restarts (G8), with clients at work throughout."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from tests.e2e.faults.final import of_stack
from tests.e2e.faults.judgement import judged_workload
from tests.e2e.faults.workload import Workload
from tests.support.client import User, new_http_client, open_socket
from tests.support.factories import Measured
from tests.support.product import Product, Stack, Standalone
from tests.support.shapes import ok

RECOVERS_WITHIN_S = 30
"""What fails a test. The aim is 10 s; what it took is shown at the end."""


@pytest.mark.standalone
class TestSingleProcess:
    async def test_told_to_end_closes_sockets_with_1012_and_exits_cleanly_in_time(
        self, own_product: Standalone
    ) -> None:
        async with new_http_client(own_product.base_url) as http:
            user = await User.register(http)
            sockets = [await open_socket(own_product.base_url) for _ in range(5)]
            for socket in sockets[1:]:  # one has not said hello yet
                await socket.hello(user.account.access_token)

            own_product.terminate()

            assert [await socket.close_code() for socket in sockets] == [1012] * 5
            assert await asyncio.to_thread(own_product.wait) == 0

    async def test_told_to_end_while_somebody_does_not_read_exits_in_time(self, own_product: Standalone) -> None:
        async with new_http_client(own_product.base_url) as http:
            user = await User.register(http)
            room = await user.create_room()
            slow = await open_socket(own_product.base_url, receive_buffer=16 * 1024)
            await slow.hello(user.account.access_token)
            await slow.stall()
            for _ in range(20):
                ok(await user.send(room["id"], "🎈" * 8000), 201)

            own_product.terminate()

            assert await asyncio.to_thread(own_product.wait) == 0
            await slow.connection.close()


@pytest.mark.stack
class TestStack:
    @pytest.fixture
    def stack(self, product: Product) -> Stack:
        assert isinstance(product, Stack)
        return product

    @pytest.fixture
    def workload(self, stack: Stack, tmp_path: Path) -> AbstractAsyncContextManager[Workload]:
        """Judged when it is left."""
        return judged_workload(stack.base_url, lambda: of_stack(stack.containers("postgres")[0]), tmp_path)

    @pytest.mark.timeout(180)
    @pytest.mark.parametrize(
        "service", ["user_service", "chat_service", "gateway_ws", "bloom_service", "rabbitmq", "postgres"]
    )
    async def test_with_one_part_killed_and_started_again_keeps_every_promise(
        self, stack: Stack, workload: AbstractAsyncContextManager[Workload], service: str, measured: Measured
    ) -> None:
        container = stack.containers(service)[0]
        async with workload as clients:
            await clients.served()

            await asyncio.to_thread(container.kill)
            await asyncio.to_thread(container.start)
            seconds = await clients.served(within=RECOVERS_WITHIN_S)

            measured(f"{service} killed and started: all served again after {seconds:.1f} s")

    @pytest.mark.timeout(180)
    @pytest.mark.parametrize("service", ["rabbitmq", "postgres"])
    async def test_with_its_broker_or_database_restarted_keeps_every_promise(
        self, stack: Stack, workload: AbstractAsyncContextManager[Workload], service: str, measured: Measured
    ) -> None:
        container = stack.containers(service)[0]
        async with workload as clients:
            await clients.served()

            await asyncio.to_thread(container.restart, timeout=10)
            seconds = await clients.served(within=RECOVERS_WITHIN_S)

            measured(f"{service} restarted: all served again after {seconds:.1f} s")

    async def test_with_one_gateway_ended_tells_its_clients_1012(self, stack: Stack, http: httpx.AsyncClient) -> None:
        user = await User.register(http)
        sockets = [await open_socket(stack.base_url) for _ in range(12)]
        for socket in sockets:
            await socket.hello(user.account.access_token)
        container = stack.containers("gateway_ws")[0]
        try:
            await asyncio.to_thread(container.stop, timeout=10)

            ended = [socket for socket in sockets if socket.closed]
            assert 0 < len(ended) < len(sockets), "the sockets were not spread over both gateways"
            assert [await socket.close_code() for socket in ended] == [1012] * len(ended)
            assert (await asyncio.to_thread(container.wait))["StatusCode"] == 0
        finally:
            await asyncio.to_thread(container.start)
            for socket in sockets:
                await socket.close()
