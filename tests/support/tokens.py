"""Access tokens that the product did not make."""

import base64
import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.tokens import ALGORITHM, AUDIENCE, ISSUER
from tests.support.shapes import Json


def claims_of(token: str) -> Json:
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims


def without_signature(token: str) -> str:
    """The same claims under `alg: none` (RFC 8725, section 2.1)."""
    header = {**jwt.get_unverified_header(token), "alg": "none"}
    return f"{_encode(header)}.{token.split('.')[1]}."


def signed_by_a_stranger(token: str) -> str:
    """The same header and claims, signed with another key."""
    return jwt.encode(claims_of(token), Ed25519PrivateKey.generate(), "EdDSA", _headers(token))


def signed_with_the_public_key(token: str, public_key: bytes) -> str:
    """The same claims under HS256, with the published key as the secret (RFC 8725, section 2.1)."""
    return jwt.encode(claims_of(token), public_key, "HS256", _headers(token))


def with_other_claims(token: str, **changes: Any) -> str:
    """Other claims under the signature of the true ones."""
    header, _, signature = token.split(".")
    return f"{header}.{_encode({**claims_of(token), **changes})}.{signature}"


def expiring(token: str, signing_key: str, *, in_s: int) -> str:
    """The same claims, truly signed by the product's own key, with another time of expiry."""
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(signing_key + "=" * (-len(signing_key) % 4)))
    now = int(time.time())
    claims = {**claims_of(token), "iat": now + in_s - 900, "exp": now + in_s}
    return jwt.encode(claims, key, "EdDSA", _headers(token))


def _headers(token: str) -> Json:
    return {"kid": jwt.get_unverified_header(token)["kid"]}


def _encode(part: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class TokenIssuer:
    """Signs tokens as user_service does, with a key of its own: for a service that is tested without it."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._key_id = uuid4().hex

    def jwks(self) -> Json:
        """The key set that verifies them (RFC 7517)."""
        public = base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": self._key_id, "use": "sig", "alg": ALGORITHM}
        return {"keys": [key]}

    def token(
        self,
        *,
        user_id: UUID,
        session_id: UUID | None = None,
        username: str = "somebody",
        display_name: str = "Some Body",
        expires_in: int = 900,
        **overrides: Any,
    ) -> str:
        """A token that expires in so many seconds. `overrides` are claims; None leaves a claim out."""
        issued_at = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id or uuid4()),
            "iat": issued_at,
            "exp": issued_at + expires_in,
            "jti": str(uuid4()),
            "preferred_username": username,
            "name": display_name,
            **overrides,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, self._key, ALGORITHM, headers={"kid": self._key_id})
