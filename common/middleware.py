"""ASGI middleware of every service."""

import asyncio
import time
from contextlib import suppress

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import problem_response
from common.logging import told_path
from common.tracing import current_trace_id, traced

MAX_BODY_BYTES = 256 * 1024
LINGER_BYTES = 32 * 1024 * 1024
LINGER_S = 5

REQUESTS = Counter("parley_http_requests", "HTTP requests answered", ["service", "method", "status"])
SECONDS = Histogram("parley_http_request_seconds", "Time to answer a HTTP request", ["service", "method"])

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger("common.http")


class BodyLimit:
    """Answers 413 `too_long` to a body over `MAX_BODY_BYTES`, announced or not.

    Before that it reads and forgets the rest, within bounds: to close with bytes unread would reset the connection, a
    proxy's or the client's, and many a client would never see the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        detail = f"A body may have up to {MAX_BODY_BYTES} bytes."
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, detail, {"Connection": "close"})
            return message

        async def lingering(message: Message) -> None:
            if received > MAX_BODY_BYTES and message["type"] == "http.response.start":
                await _discard(receive)
            await send(message)

        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            received = int(announced)
            await problem_response(413, "too_long", detail, {"Connection": "close"})(scope, receive, lingering)
            return
        await self.app(scope, bounded, lingering)


async def _discard(receive: Receive) -> None:
    """Reads what is left of a request's body, up to `LINGER_BYTES` and for up to `LINGER_S` seconds."""
    discarded = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while discarded < LINGER_BYTES:
                message = await receive()
                if not message.get("more_body"):
                    return
                discarded += len(message["body"])


class Observe:
    """Counts and logs each request, and handles it under the trace context that its `traceparent` header brings.

    The answer's `X-Request-Id` is the trace id: the one to look for in the logs of all services.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = current_trace_id() or ""
            await send(message)

        with traced(Headers(scope=scope).get("traceparent")):
            try:
                await self.app(scope, receive, observed)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        REQUESTS.labels(self.service, method, str(status)).inc()
        SECONDS.labels(self.service, method).observe(seconds)
        if scope["path"] not in _QUIET:
            # the path only: a query may hold what somebody searched for
            log.info(
                "request",
                service=self.service,
                method=method,
                path=told_path(scope["path"]),
                status=status,
                milliseconds=round(seconds * 1000, 1),
            )
