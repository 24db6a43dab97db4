"""`/api/v1/auth`, and the keys to verify what it hands out."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Response

from common.database_errors import DatabaseRoute
from common.errors import RateLimited, Unauthorized, Unavailable
from common.openapi import Responses, problems
from user_service.routers.dependencies import ClientHost, UseCases
from user_service.schemas import KeySet, PasswordGrant, RefreshTokenBody, TokenPair
from user_service.services.sessions import InvalidCredentials, Tokens
from user_service.services.signing import ACCESS_TOKEN_S

router = APIRouter(route_class=DatabaseRoute, prefix="/api/v1/auth", tags=["auth"], responses=problems(Unavailable))
keys = APIRouter(route_class=DatabaseRoute, tags=["auth"])

_REFRESH_TOKEN = {"refresh_token": "$response.body#/refresh_token"}

# RFC 6749, section 5.1; and what the tokens are good for
_TOKENS: Responses = {
    200: {
        "headers": {"Cache-Control": {"required": True, "schema": {"const": "no-store"}}},
        "links": {
            "refresh": {"operationId": "refresh", "requestBody": _REFRESH_TOKEN},
            "log_out": {"operationId": "log_out", "requestBody": _REFRESH_TOKEN},
        },
    }
}


@router.post("/token", responses=_TOKENS | problems(InvalidCredentials, RateLimited))
async def log_in(
    form: Annotated[PasswordGrant, Form()], response: Response, host: ClientHost, services: UseCases
) -> TokenPair:
    services.rate_limits.log_in(host, form.username)
    tokens = await services.sessions.log_in(form.username, form.password.get_secret_value())
    services.rate_limits.logged_in(host, form.username)
    return _answer(tokens, response)


@router.post("/refresh", responses=_TOKENS | problems(Unauthorized))
async def refresh(body: RefreshTokenBody, response: Response, services: UseCases) -> TokenPair:
    return _answer(await services.sessions.refresh(body.refresh_token.get_secret_value()), response)


@router.post("/logout", status_code=204)
async def log_out(body: RefreshTokenBody, services: UseCases) -> None:
    await services.sessions.log_out(body.refresh_token.get_secret_value())


@keys.get("/.well-known/jwks.json", response_model=KeySet)
async def show_key_set(services: UseCases) -> dict[str, Any]:
    return services.signing_key.key_set()


def _answer(tokens: Tokens, response: Response) -> TokenPair:
    response.headers["Cache-Control"] = "no-store"
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=ACCESS_TOKEN_S)
