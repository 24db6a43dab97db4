"""Requests that no client should make: each ends in a documented problem, and the product goes on."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.client import User, new_credentials
from tests.support.shapes import Json, invalid_request, ok, problem

MEGABYTE = 1024 * 1024


async def chunks(count: int) -> AsyncIterator[bytes]:
    """A body whose length is not announced."""
    for _ in range(count):
        yield b" " * MEGABYTE


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/api/v1/nothing", 404, "not_found"),
            ("GET", "/api/v1/users/me/nothing", 404, "not_found"),
            ("GET", "/api/v1/rooms/a/b/c", 404, "not_found"),
            ("PUT", "/api/v1/users", 405, "method_not_allowed"),
            ("PATCH", "/api/v1/rooms", 405, "method_not_allowed"),
            ("GET", "/api/v1/rooms", 401, "invalid_token"),
            ("GET", "/api/v1/users/me", 401, "invalid_token"),
            ("GET", "/api/v1/users?q=a", 401, "invalid_token"),
            ("POST", "/api/v1/rooms", 401, "invalid_token"),
        ],
    )
    async def test_of_every_kind_have_the_same_form(
        self, http: httpx.AsyncClient, method: str, path: str, status: int, code: str
    ) -> None:
        problem(await http.request(method, path), status, code)

    async def test_never_repeat_what_was_sent(self, http: httpx.AsyncClient) -> None:
        body = {**new_credentials(), "password": "hunter2", "email": "@secret@"}

        response = await http.post("/api/v1/users", json=body)

        invalid_request(response)
        assert "hunter2" not in response.text
        assert "@secret@" not in response.text

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"hello", id="not-json"),
            pytest.param(b'{"email": ', id="half-json"),
            pytest.param(b"[]", id="list"),
            pytest.param(b"null", id="null"),
            pytest.param(b'{"email": "\xff"}', id="broken-utf-8"),
            pytest.param(b'{"email": "\\ud800@example.com"}', id="lone-surrogate"),
            pytest.param(b"[" * 100_000, id="deep-list"),
            pytest.param(b'{"n": ' + b"9" * 10_000 + b"}", id="long-number"),
            pytest.param(b'{"email": NaN}', id="nan"),
        ],
    )
    async def test_answer_bodies_that_are_not_the_json_asked_for(
        self, http: httpx.AsyncClient, alice: User, content: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"}

        for response in (
            await http.post("/api/v1/users", content=content, headers=headers),
            await alice.request("POST", "/rooms", content=content, headers=headers),
        ):
            assert response.status_code in (400, 422)
            problem(response, response.status_code, "invalid_request")

    @pytest.mark.parametrize("path", ["/users", "/users/availability", "/auth/token", "/auth/refresh", "/rooms"])
    async def test_answer_bodies_of_10_megabytes(self, alice: User, path: str) -> None:
        response = await alice.request("POST", path, content=b" " * 10 * MEGABYTE)

        problem(response, 413, "too_long")

    async def test_answer_bodies_of_10_megabytes_that_come_unannounced(self, alice: User) -> None:
        try:
            response = await alice.request("POST", "/rooms", content=chunks(10))
        except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
            pass  # the answer came and the connection was closed while the body was still being sent
        else:
            problem(response, 413, "too_long")

        ok(await alice.get("/rooms"))

    async def test_answer_a_token_of_another_scheme(self, http: httpx.AsyncClient, alice: User) -> None:
        for value in (f"Basic {alice.account.access_token}", alice.account.access_token, "Bearer"):
            response = await http.get("/api/v1/rooms", headers={"Authorization": value})
            problem(response, 401, "invalid_token")


class TestInternals:
    @pytest.mark.parametrize(
        "path",
        [
            "/emails/check",
            "/emails/stats",
            "/emails/",
            "/internal/v1/users/01890000-0000-7000-8000-000000000000",
            "/internal/v1/users/01890000-0000-7000-8000-000000000000/rooms",
            "/internal/v1/rooms/entries",
            "//internal/v1/rooms/entries",
            "/api/v1/../../emails/stats",
            "/api/v1/rooms/..%2f..%2f..%2f..%2femails/stats",
            "/%65mails/stats",
            "/api/v1/internal/v1/rooms/entries",
        ],
    )
    async def test_can_not_be_reached_from_outside(self, http: httpx.AsyncClient, alice: User, path: str) -> None:
        headers = {"Authorization": f"Bearer {alice.account.access_token}"}
        body: Json = {"digest": "0" * 64}

        for response in (
            await http.get(path, headers=headers),
            await http.post(path, headers=headers, json=body),
        ):
            assert response.status_code in (404, 405, 422) if "%2f" in path else response.status_code == 404

    @pytest.mark.stack
    async def test_metrics_are_not_for_the_public(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/metrics")).status_code == 404

    @pytest.mark.standalone
    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    async def test_health_is_shown(self, http: httpx.AsyncClient, path: str) -> None:
        assert (await http.get(path)).status_code == 200


class TestHardship:
    async def test_requests_broken_off_halfway_harm_nobody(self, base_url: str, alice: User) -> None:
        url = httpx.URL(base_url)
        for _ in range(20):
            _, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(b"POST /api/v1/users HTTP/1.1\r\nHost: parley\r\nContent-Length: 1000\r\n\r\n{")
            await writer.drain()
            writer.transport.abort()

        ok(await alice.get("/users/me"))
