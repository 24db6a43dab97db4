"""bloom_service answers as its OpenAPI document says, and the document says no more than it answers.

There are no sequences to be tried: nothing that it answers goes into another request.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error

from tests.support.bloom_service import SERVICE_TOKEN, BloomService, new_digest, running_bloom_service
from tests.support.documented_answers import Ask, answers, documented
from tests.support.http_contract import AnyCase, Api, document_of, served

# the service, in its thread, may use what randomness it likes
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

DOCUMENT = document_of("bloom_service")


@asynccontextmanager
async def up_to_date(folder: Path) -> AsyncIterator[BloomService]:
    async with running_bloom_service(folder) as service, service.users.saying_watermarks():
        yield service


@asynccontextmanager
async def cut_off(folder: Path) -> AsyncIterator[BloomService]:
    async with running_bloom_service(folder) as service:
        await service.bus.stop()
        yield service


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api[BloomService]]:
    with served(DOCUMENT, up_to_date(tmp_path_factory.mktemp("filter"))) as api:
        api.tokens = {"service_credential": SERVICE_TOKEN}
        yield api


@pytest.fixture
def unavailable(tmp_path: Path) -> Iterator[Api[BloomService]]:
    with served(DOCUMENT, cut_off(tmp_path)) as api:
        yield api


@schemathesis.pytest.from_fixture("document").parametrize()
@pytest.mark.timeout(300)
def test_every_request_is_answered_as_documented(case: AnyCase, api: Api[BloomService]) -> None:
    # 503 is the right answer to a question under a key that nobody has; 500 is not among the documented ones
    case.call_and_validate(excluded_checks=[not_a_server_error], **api.options(case))


def test_every_documented_answer_can_be_had_and_no_other(
    api: Api[BloomService], unavailable: Api[BloomService]
) -> None:
    accepted = [
        Ask("check", SERVICE_TOKEN, body={"digest": new_digest()}),
        Ask("show_stats", SERVICE_TOKEN),
        Ask("rebuild", SERVICE_TOKEN),
        Ask("show_health"),
        Ask("show_readiness"),
        Ask("show_metrics"),
    ]

    assert answers(api, unavailable, accepted, {}) == documented("bloom_service")
