"""gateway_ws has nothing over HTTP but its health: `/ws` is in AsyncAPI. It answers as its OpenAPI document says."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import schemathesis

from tests.support.documented_answers import Ask, answers, documented
from tests.support.gateway_ws import GatewayServer, running_gateway
from tests.support.http_contract import AnyCase, Api, document_of, served

# the service, in its thread, may use what randomness it likes
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

DOCUMENT = document_of("gateway_ws")


@asynccontextmanager
async def without_keys() -> AsyncIterator[GatewayServer]:
    async with running_gateway() as gateway:
        gateway.keys_available = False
        yield gateway


@pytest.fixture(scope="module")
def api() -> Iterator[Api[GatewayServer]]:
    with served(DOCUMENT, running_gateway()) as api:
        yield api


@pytest.fixture
def unavailable() -> Iterator[Api[GatewayServer]]:
    with served(DOCUMENT, without_keys()) as api:
        yield api


@schemathesis.pytest.from_fixture("document").parametrize()
def test_every_request_is_answered_as_documented(case: AnyCase, api: Api[GatewayServer]) -> None:
    case.call_and_validate(**api.options(case))


def test_every_documented_answer_can_be_had_and_no_other(
    api: Api[GatewayServer], unavailable: Api[GatewayServer]
) -> None:
    accepted = [Ask("show_health"), Ask("show_readiness"), Ask("show_metrics")]

    assert answers(api, unavailable, accepted, {}) == documented("gateway_ws")
