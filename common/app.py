"""The frame of every service's HTTP application."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from common.errors import install_error_handlers
from common.health import Check, health_router
from common.middleware import BodyLimit, Observe
from common.openapi import DocumentedAPI

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def new_app(name: str, *, lifespan: Lifespan, routers: Sequence[APIRouter], checks: dict[str, Check]) -> FastAPI:
    """An application with problem+json errors, bounded bodies, traced and counted requests, and health routes.

    `checks` is what `/readyz` asks; it stays at hand as `app.state.checks`. A route's function names its operation in
    the OpenAPI document.
    """
    app = DocumentedAPI(
        title=f"Parley {name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name_of,
    )
    app.state.checks = checks
    install_error_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Observe, service=name)
    app.include_router(health_router(checks))
    for router in routers:
        app.include_router(router)
    return app


def _name_of(route: APIRoute) -> str:
    return route.name
