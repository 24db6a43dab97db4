"""The frame of every service's application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Body, FastAPI

from common.app import new_app
from common.errors import Forbidden, Unavailable
from common.middleware import MAX_BODY_BYTES
from common.tracing import current_trace_id
from tests.support.shapes import invalid_request, ok, problem


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


class Faults:
    """What `/readyz` is told is missing."""

    def __init__(self) -> None:
        self.database: str | None = None

    async def check(self) -> str | None:
        return self.database


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def http(faults: Faults) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter()

    @router.post("/length")
    async def length(text: Annotated[str, Body()]) -> int:
        return len(text)

    @router.get("/forbidden")
    async def forbidden() -> None:
        raise Forbidden("Not yours.")

    @router.get("/unavailable")
    async def unavailable() -> None:
        raise Unavailable("Not now.", retry_after=7)

    @router.get("/bug")
    async def bug() -> None:
        raise RuntimeError("the password is swordfish")

    async def nothing() -> None:
        pass

    for name, path, method in (("a", "/things/new", "POST"), ("b", "/things", "GET"), ("c", "/things", "PUT")):
        router.add_api_route(path, nothing, methods=[method], name=name)
    router.add_api_route("/things/{name}", nothing, methods=["GET"], name="d")

    @router.get("/trace")
    async def trace() -> str | None:
        return current_trace_id()

    app = new_app("sample", lifespan=lifespan, routers=[router], checks={"database": faults.check})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
        yield client


async def test_errors_are_problems_with_a_code(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/forbidden"), 403, "forbidden")["detail"] == "Not yours."
    problem(await http.get("/nowhere"), 404, "not_found")
    problem(await http.get("/length"), 405, "method_not_allowed")
    headers = {"Content-Type": "application/json"}
    problem(await http.post("/length", content=b"{", headers=headers), 422, "invalid_request")
    unavailable = await http.get("/unavailable")
    problem(unavailable, 503, "unavailable")
    assert unavailable.headers["Retry-After"] == "7"


@pytest.mark.parametrize("body", [b'"\xff"', b"[" * 100_000])
async def test_a_body_that_is_no_text_or_no_value_is_an_invalid_request(http: httpx.AsyncClient, body: bytes) -> None:
    invalid_request(await http.post("/length", content=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize(("path", "allowed"), [("/length", "POST"), ("/things", "GET, PUT"), ("/things/new", "POST")])
async def test_a_wrong_method_is_told_those_that_the_path_has(http: httpx.AsyncClient, path: str, allowed: str) -> None:
    response = await http.delete(path)

    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


async def test_a_bug_is_a_problem_that_tells_nothing(http: httpx.AsyncClient) -> None:
    assert "swordfish" not in str(problem(await http.get("/bug"), 500, "internal"))


async def test_a_refused_body_is_not_repeated_in_the_answer(http: httpx.AsyncClient) -> None:
    response = await http.post("/length", json={"password": "swordfish"})

    assert problem(response, 422, "invalid_request")["errors"]
    assert "swordfish" not in response.text


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_may_be_so_long_and_no_longer(http: httpx.AsyncClient, announced: bool) -> None:
    longest = b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    def content(body: bytes) -> bytes | AsyncIterator[bytes]:
        return body if announced else chunks(body)

    headers = {"Content-Type": "application/json"}
    assert ok(await http.post("/length", content=content(longest), headers=headers)) == MAX_BODY_BYTES - 2
    problem(await http.post("/length", content=content(longest + b" "), headers=headers), 413, "too_long")


async def test_a_request_goes_on_under_the_trace_it_came_with(http: httpx.AsyncClient) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    response = await http.get("/trace", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    assert response.headers["X-Request-Id"] == trace_id == response.json()


async def test_a_request_without_a_trace_begins_one(http: httpx.AsyncClient) -> None:
    responses = [await http.get("/trace") for _ in range(2)]

    ids = {response.headers["X-Request-Id"] for response in responses}
    assert ids == {response.json() for response in responses}
    assert len(ids) == 2


async def test_is_ready_when_nothing_is_missing_and_alive_in_any_case(http: httpx.AsyncClient, faults: Faults) -> None:
    assert ok(await http.get("/readyz")) == {"status": "ready"}

    faults.database = "it is on fire"

    assert ok(await http.get("/readyz"), 503) == {"status": "not_ready", "missing": {"database": "it is on fire"}}
    assert ok(await http.get("/healthz")) == {"status": "ok"}


async def test_counts_requests_without_their_paths(http: httpx.AsyncClient) -> None:
    await http.get("/nowhere?q=swordfish")
    await http.request("BREW", "/length")

    metrics = (await http.get("/metrics")).text
    assert 'parley_http_requests_total{method="GET",service="sample",status="404"}' in metrics
    assert 'method="other",service="sample"' in metrics
    assert "BREW" not in metrics
    assert "swordfish" not in metrics
