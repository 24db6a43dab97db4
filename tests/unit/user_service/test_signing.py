import base64
from typing import Any
from uuid import uuid4

import pytest

from common.ids import uuid7
from common.tokens import InvalidToken, TokenVerifier
from user_service.models import User
from user_service.services.signing import SigningKey

# RFC 8037, appendix A: the seed, the public key made of it, and that key's thumbprint
SEED = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def verifier(key: SigningKey) -> TokenVerifier:
    async def fetch_keys() -> dict[str, Any]:
        return key.key_set()

    return TokenVerifier(fetch_keys)


@pytest.fixture
def user() -> User:
    return User(id=uuid7(), username="alice", display_name="Alice")


def test_a_key_set_holds_the_public_half_under_its_thumbprint() -> None:
    assert SigningKey(SEED).key_set() == {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": THUMBPRINT, "use": "sig", "alg": "EdDSA"},
        ]
    }


async def test_a_token_says_who_the_bearer_is(user: User) -> None:
    key = SigningKey(SEED)
    session_id = uuid4()

    claims = await verifier(key).verify(key.access_token(user, session_id))

    assert (claims.user_id, claims.session_id) == (user.id, session_id)
    assert (claims.username, claims.display_name) == ("alice", "Alice")


async def test_a_token_of_another_key_is_refused(user: User) -> None:
    token = SigningKey(bytes(32)).access_token(user, uuid4())

    with pytest.raises(InvalidToken):
        await verifier(SigningKey(SEED)).verify(token)


def test_two_tokens_are_never_the_same(user: User) -> None:
    key = SigningKey(SEED)
    session_id = uuid4()

    assert key.access_token(user, session_id) != key.access_token(user, session_id)
