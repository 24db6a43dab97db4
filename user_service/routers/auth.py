"""`/api/v1/auth`, and the keys to verify what it hands out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.security import OAuth2PasswordRequestForm

from user_service.routers.dependencies import UseCases
from user_service.schemas import RefreshTokenBody, TokenPair
from user_service.services.sessions import Tokens
from user_service.services.signing import ACCESS_TOKEN_S

router = APIRouter(tags=["auth"])


@router.post("/api/v1/auth/token")
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], response: Response, services: UseCases
) -> TokenPair:
    return _answer(await services.sessions.log_in(form.username, form.password), response)


@router.post("/api/v1/auth/refresh")
async def refresh(body: RefreshTokenBody, response: Response, services: UseCases) -> TokenPair:
    return _answer(await services.sessions.refresh(body.refresh_token.get_secret_value()), response)


@router.post("/api/v1/auth/logout", status_code=204)
async def log_out(body: RefreshTokenBody, services: UseCases) -> None:
    await services.sessions.log_out(body.refresh_token.get_secret_value())


@router.get("/.well-known/jwks.json")
async def show_key_set(services: UseCases) -> dict[str, Any]:
    return services.signing_key.key_set()


def _answer(tokens: Tokens, response: Response) -> TokenPair:
    # RFC 6749, section 5.1
    response.headers["Cache-Control"] = "no-store"
    return TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=ACCESS_TOKEN_S)
