"""`/healthz` (alive), `/readyz` (can do its work now), `/metrics` (Prometheus)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

Check = Callable[[], Awaitable[str | None]]
"""None if all is well, else a sentence that says what is missing. Must answer within about a second."""


class Alive(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ready"]


class NotReady(BaseModel):
    """`missing` says what is, check by check."""

    status: Literal["not_ready"]
    missing: dict[str, str]


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def show_health() -> Alive:
        return Alive(status="ok")

    @router.get("/readyz", response_model=Ready, responses={503: {"model": NotReady}})
    async def show_readiness() -> Ready | JSONResponse:
        missing = {name: fault for name, check in checks.items() if (fault := await check()) is not None}
        if missing:
            return JSONResponse(NotReady(status="not_ready", missing=missing).model_dump(), 503)
        return Ready(status="ready")

    @router.get("/metrics", response_class=PlainTextResponse)
    async def show_metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
