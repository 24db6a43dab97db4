import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.tokens import InvalidToken, KeysUnavailable, TokenVerifier
from tests.support.tokens import TokenIssuer, signed_by_a_stranger, signed_with_the_public_key, without_signature

USER = uuid4()


class KeySet:
    """What user_service answers, and how often it was asked."""

    def __init__(self, *issuers: TokenIssuer) -> None:
        self.issuers = list(issuers)
        self.away = False
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise httpx.ConnectError("away")
        return {"keys": [key for issuer in self.issuers for key in issuer.jwks()["keys"]]}


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
def keys(issuer: TokenIssuer) -> KeySet:
    return KeySet(issuer)


@pytest.fixture
def verifier(keys: KeySet) -> TokenVerifier:
    return TokenVerifier(keys)


async def test_says_who_the_bearer_is(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    session = uuid4()
    token = issuer.token(user_id=USER, session_id=session, username="ada", display_name="Ada")

    claims = await verifier.verify(token)

    assert (claims.user_id, claims.session_id, claims.username, claims.display_name) == (USER, session, "ada", "Ada")


async def test_asks_for_the_keys_once(verifier: TokenVerifier, keys: KeySet, issuer: TokenIssuer) -> None:
    for _ in range(10):
        await verifier.verify(issuer.token(user_id=USER))

    assert keys.asked == 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "somebody"},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"sub": None},
        {"sub": "ada"},
        {"sid": None},
        {"sid": 7},
        {"preferred_username": None},
        {"name": None},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
async def test_refuses_claims_that_are_missing_or_not_ours(
    verifier: TokenVerifier, issuer: TokenIssuer, overrides: dict[str, Any]
) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(issuer.token(user_id=USER, **overrides))


async def test_a_clock_that_is_behind_refuses_nobody(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    an_hour_ahead = int(time.time()) + 3600

    claims = await verifier.verify(issuer.token(user_id=USER, iat=an_hour_ahead, exp=an_hour_ahead + 900))

    assert claims.user_id == USER


async def test_says_that_a_token_has_expired(verifier: TokenVerifier, issuer: TokenIssuer) -> None:
    with pytest.raises(InvalidToken, match="expired"):
        await verifier.verify(issuer.token(user_id=USER, expires_in=-1))


@pytest.mark.parametrize("forge", [without_signature, signed_by_a_stranger])
async def test_refuses_forged_tokens(verifier: TokenVerifier, issuer: TokenIssuer, forge: Any) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(forge(issuer.token(user_id=USER)))


async def test_refuses_a_token_signed_with_the_public_key_as_a_secret(
    verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    public = issuer.jwks()["keys"][0]["x"].encode()

    with pytest.raises(InvalidToken):
        await verifier.verify(signed_with_the_public_key(issuer.token(user_id=USER), public))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é", "\x00", "eyJhbGciOiJFZERTQSJ9.e30."], ids=ascii)
async def test_refuses_what_is_no_token_and_repeats_nothing_of_it(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)

    assert str(caught.value) == "The token is not valid."


async def test_can_say_nothing_before_it_has_had_the_keys(
    verifier: TokenVerifier, keys: KeySet, issuer: TokenIssuer
) -> None:
    keys.away = True
    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token(user_id=USER))
    assert await verifier.missing() is not None

    keys.away = False

    assert await verifier.missing() is None
    await verifier.verify(issuer.token(user_id=USER))


async def test_works_on_while_user_service_is_away(verifier: TokenVerifier, keys: KeySet, issuer: TokenIssuer) -> None:
    await verifier.verify(issuer.token(user_id=USER))
    keys.away = True

    await verifier.verify(issuer.token(user_id=USER))

    assert await verifier.missing() is None


async def test_unknown_keys_do_not_make_it_ask_again_and_again(
    verifier: TokenVerifier, keys: KeySet, issuer: TokenIssuer
) -> None:
    await verifier.verify(issuer.token(user_id=USER))
    for _ in range(20):
        with pytest.raises(InvalidToken):
            await verifier.verify(TokenIssuer().token(user_id=USER))

    assert keys.asked <= 2
