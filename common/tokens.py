"""Access tokens: JWTs signed with EdDSA, verified offline against a JWK set (RFC 7519, RFC 7517, RFC 8037)."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import jwt
import structlog

ISSUER = "parley"
AUDIENCE = "parley"
ALGORITHM = "EdDSA"

_REFETCH_AFTER_S = 300.0
_UNKNOWN_KEY_REFETCH_AFTER_S = 5.0

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]
"""Returns a JWK set as `/.well-known/jwks.json` has it. Raises httpx.HTTPError."""

log = structlog.get_logger(__name__)


class InvalidToken(Exception):
    """Malformed, forged, expired, or not one of ours. The text says which, and holds nothing of the token."""


class KeysUnavailable(Exception):
    """No key set has been had yet, so nothing can be said about any token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who the bearer is. `expires_at` is in Unix seconds."""

    user_id: UUID
    session_id: UUID
    username: str
    display_name: str
    expires_at: int


def fetch_keys_over_http(client: httpx.AsyncClient) -> FetchKeys:
    """Keys from user_service, at which the client's base URL points."""

    async def fetch() -> dict[str, Any]:
        response = await client.get("/.well-known/jwks.json")
        response.raise_for_status()
        keys: dict[str, Any] = response.json()
        return keys

    return fetch


class TokenVerifier:
    """Verifies tokens with a cached key set. An unknown key id has it fetched again, at most every 5 s."""

    def __init__(self, fetch_keys: FetchKeys) -> None:
        self._fetch_keys = fetch_keys
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    async def verify(self, token: str) -> Claims:
        """Raises `InvalidToken`; `KeysUnavailable` while user_service has never been reached."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._key(key_id)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                # a token from before its time says only that two clocks differ, and is good all the same: RFC 7519 has
                # "nbf" for what is not to be accepted yet (section 4.1.5), and "iat" for nothing of the kind
                options={"require": ["exp", "iat", "sub", "sid"], "verify_iat": False},
            )
            return Claims(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                username=claims["preferred_username"],
                display_name=claims["name"],
                expires_at=int(claims["exp"]),
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The token has expired.") from None
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
            raise InvalidToken("The token is not valid.") from None

    async def missing(self) -> str | None:
        """What keeps tokens from being verified, for `/readyz`."""
        try:
            await self._refresh()
        except KeysUnavailable as error:
            return str(error)
        return None

    async def _key(self, key_id: object) -> jwt.PyJWK:
        await self._refresh()
        if key_id not in self._keys and time.monotonic() - self._tried_at > _UNKNOWN_KEY_REFETCH_AFTER_S:
            self._fetched_at = float("-inf")
            await self._refresh()
        if not isinstance(key_id, str) or key_id not in self._keys:
            raise InvalidToken("The token is not valid.")
        return self._keys[key_id]

    async def _refresh(self) -> None:
        if self._keys and time.monotonic() - self._fetched_at < _REFETCH_AFTER_S:
            return
        self._tried_at = time.monotonic()
        try:
            key_set = jwt.PyJWKSet.from_dict(await self._fetch_keys())
        except (httpx.HTTPError, jwt.PyJWTError, ValueError) as error:
            if not self._keys:
                raise KeysUnavailable("the signing keys of user_service can't be fetched") from error
            log.warning("signing_keys_not_refreshed", reason=type(error).__name__)
            return
        self._keys = {key.key_id: key for key in key_set.keys if key.key_id}
        self._fetched_at = time.monotonic()
