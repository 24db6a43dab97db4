"""FastAPI dependencies: who is asking."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from common.errors import Unauthorized, Unavailable
from common.tokens import Claims, InvalidToken, KeysUnavailable, TokenVerifier

_user_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", bearerFormat="JWT")
_service_bearer = HTTPBearer(auto_error=False, scheme_name="service_credential")


async def current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_user_bearer)]
) -> Claims:
    """The bearer of the access token, by `app.state.verifier`. Raises 401 `invalid_token`, 503 without keys."""
    if credentials is None:
        raise Unauthorized("An access token is needed.")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.verify(credentials.credentials)
    except InvalidToken as error:
        raise Unauthorized(str(error)) from None
    except KeysUnavailable as error:
        raise Unavailable(f"Not ready: {error}.") from None


async def require_service(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_service_bearer)]
) -> None:
    """Only for services of this deployment, by `app.state.service_token` (a str). Raises 401 `invalid_token`."""
    expected: str = request.app.state.service_token
    if credentials is None or not hmac.compare_digest(credentials.credentials.encode(), expected.encode()):
        raise Unauthorized("A service credential is needed.")


CurrentUser = Annotated[Claims, Depends(current_user)]
"""The signed-in user, as a route's parameter."""
