"""Contract tests of HTTP: how many requests schemathesis has made up stands in the summary."""

from collections.abc import Generator
from typing import Any

import pytest
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.support.http_contract import REQUESTS, Api
from tests.support.summary import COUNTED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    before = REQUESTS.copy()
    yield
    for (service, phase), count in (REQUESTS - before).items():
        item.user_properties.append((COUNTED, [f"requests of schemathesis to {service} ({phase})", count]))


@pytest.fixture
def document(request: pytest.FixtureRequest, api: Api[Any]) -> OpenApiSchema:
    """For tests of each operation, whose requests are made up when they run, not when they are collected."""
    # schemathesis 4.32 reads and sets this name of a test, which pytest 9.2 keeps elsewhere
    request.node._nodeid = request.node.nodeid
    return api.document
