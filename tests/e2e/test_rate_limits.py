"""Who asks too often whether there is an account, by way of a real socket."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.client import new_credentials
from tests.support.product import Standalone
from tests.support.shapes import ok, problem

pytestmark = pytest.mark.standalone


def register(product: Standalone, forwarded_for: str | None = None) -> httpx.Response:
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    return httpx.post(f"{product.base_url}/api/v1/users", json=new_credentials(), headers=headers, trust_env=False)


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Standalone]:
    """A single process that lets one registration an hour come from each address."""
    product = Standalone(folder, PARLEY_REGISTRATIONS_PER_HOUR="1", **settings)
    product.start()
    try:
        yield product
    finally:
        product.kill()


def test_are_not_got_round_by_what_a_client_says_of_its_address(tmp_path: Path) -> None:
    with started(tmp_path) as product:
        ok(register(product), 201)

        for address in (None, "198.51.100.7", "127.0.0.2, 198.51.100.8", "::1"):
            refused = register(product, address)
            problem(refused, 429, "rate_limited")
            assert 3500 <= int(refused.headers["Retry-After"]) <= 3600


def test_count_by_the_client_that_a_trusted_proxy_names_last(tmp_path: Path) -> None:
    with started(tmp_path, PARLEY_TRUSTED_PROXIES="127.0.0.1") as product:
        ok(register(product, "198.51.100.7"), 201)
        ok(register(product, "203.0.113.9"), 201)

        problem(register(product, "198.51.100.7"), 429, "rate_limited")
        problem(register(product, "192.0.2.1, 198.51.100.7"), 429, "rate_limited")
