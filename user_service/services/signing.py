"""Access tokens: signed here, verified everywhere with the public key."""

import base64
import hashlib
import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.tokens import ALGORITHM, AUDIENCE, ISSUER
from user_service.models import User

ACCESS_TOKEN_S = 15 * 60


class SigningKey:
    """An Ed25519 key, made from a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._private_key = Ed25519PrivateKey.from_private_bytes(seed)
        public_key = {
            "crv": "Ed25519",
            "kty": "OKP",
            "x": _base64url(self._private_key.public_key().public_bytes_raw()),
        }
        # RFC 7638: the digest of the required members alone, in this order, without white space
        thumbprint = hashlib.sha256(json.dumps(public_key, sort_keys=True, separators=(",", ":")).encode()).digest()
        self.key_id = _base64url(thumbprint)
        self._jwk = {**public_key, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}

    def key_set(self) -> dict[str, Any]:
        """The public half as a JWK set (RFC 7517, RFC 8037)."""
        return {"keys": [self._jwk]}

    def access_token(self, user: User, session_id: UUID) -> str:
        """A JWT for one session of a user, good for `ACCESS_TOKEN_S` from now."""
        issued_at = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "sid": str(session_id),
            "iat": issued_at,
            "exp": issued_at + ACCESS_TOKEN_S,
            "jti": str(uuid4()),
            "preferred_username": user.username,
            "name": user.display_name,
        }
        return jwt.encode(claims, self._private_key, ALGORITHM, headers={"kid": self.key_id})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
