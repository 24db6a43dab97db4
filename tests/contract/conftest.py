"""Contract tests say how many requests schemathesis has made up."""

from collections.abc import Generator

import pytest

from tests.support.http_contract import REQUESTS
from tests.support.summary import COUNTED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    before = REQUESTS.copy()
    yield
    for (service, phase), count in (REQUESTS - before).items():
        item.user_properties.append((COUNTED, [f"requests of schemathesis to {service} ({phase})", count]))
