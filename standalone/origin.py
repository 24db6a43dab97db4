"""One origin: each path is answered by the service that the public interface names for it."""

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import install_error_handlers
from common.health import Check, health_router


class ServiceRoute(BaseRoute):
    """Hands requests and WebSockets on, as they are. `paths` are whole segments: `/a/b` covers `/a/b` and `/a/b/c`."""

    def __init__(self, app: ASGIApp, *paths: str) -> None:
        self.app = app
        self.paths = paths

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] in ("http", "websocket") and any(
            scope["path"] == path or scope["path"].startswith(f"{path}/") for path in self.paths
        ):
            return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def new_origin(
    *, user_service: FastAPI, chat_service: FastAPI, gateway_ws: FastAPI, checks: dict[str, Check]
) -> FastAPI:
    """The application in front. The services bring their own middleware; their internal paths are not served."""
    origin = FastAPI(title="Parley", docs_url=None, redoc_url=None, openapi_url=None)
    install_error_handlers(origin)
    origin.include_router(health_router(checks))
    origin.router.routes.extend(
        [
            ServiceRoute(user_service, "/api/v1/users", "/api/v1/auth", "/.well-known/jwks.json"),
            ServiceRoute(chat_service, "/api/v1/rooms", "/api/v1/search"),
            ServiceRoute(gateway_ws, "/ws"),
        ]
    )
    return origin
