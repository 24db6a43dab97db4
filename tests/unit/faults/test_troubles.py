"""Which troubles an outage explains."""

import pytest

from tests.e2e.faults.people import Trouble


@pytest.mark.parametrize(
    "what",
    [
        "/api/v1/users: 500",
        "POST /rooms/1/join: 500",
        "GET /rooms: 422",
        "PUT /rooms: 429",
        "login: 401",
        "refresh: 401",
    ],
)
def test_what_a_correct_client_never_gets_is_a_bug(what: str) -> None:
    assert Trouble(0.0, what).is_bug


@pytest.mark.parametrize(
    "what",
    [
        "/api/v1/users: 503",
        "login: 503",
        "refresh: 503",
        "GET /rooms: 502",
        "GET /rooms: 401",
        "ReadError",
        "hello: 4001",
    ],
)
def test_what_an_outage_brings_is_none(what: str) -> None:
    assert not Trouble(0.0, what).is_bug
