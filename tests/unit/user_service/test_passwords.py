from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.support.user_service import cheap_password_hash
from user_service.services.passwords import Passwords


class CountingHasher(Argon2Hasher):
    """Remembers which hashes it was asked to verify."""

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int) -> None:
        super().__init__(time_cost, memory_cost, parallelism)
        self.verified: list[str] = []

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        assert isinstance(hash, str)
        self.verified.append(hash)
        return super().verify(password, hash)


def parameters(password_hash: str) -> list[str]:
    """Algorithm, version and cost of a hash, without its salt and digest."""
    return password_hash.split("$")[:4]


async def test_a_password_is_verified_against_its_own_hash_alone() -> None:
    passwords = Passwords(cheap_password_hash())
    stored = await passwords.hash("correct horse")

    assert await passwords.verify("correct horse", stored) == (True, None)
    assert await passwords.verify("wrong horse", stored) == (False, None)


async def test_a_hash_is_argon2id_and_salted() -> None:
    passwords = Passwords(cheap_password_hash())

    one, other = await passwords.hash("correct horse"), await passwords.hash("correct horse")

    assert one.startswith("$argon2id$")
    assert one != other


async def test_no_password_is_right_where_there_is_no_hash() -> None:
    right, _ = await Passwords(cheap_password_hash()).verify("correct horse", None)

    assert not right


async def test_as_much_is_computed_where_there_is_no_hash_as_where_a_password_is_wrong() -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(PasswordHash([hasher]))
    stored = await passwords.hash("correct horse")

    await passwords.verify("wrong horse", stored)
    with_a_hash, hasher.verified = hasher.verified, []
    await passwords.verify("wrong horse", None)

    assert [parameters(hash) for hash in hasher.verified] == [parameters(hash) for hash in with_a_hash]
    assert len(hasher.verified) == 1


async def test_a_better_hash_is_offered_when_the_parameters_have_changed() -> None:
    stored = await Passwords(cheap_password_hash()).hash("correct horse")
    stronger = Passwords(cheap_password_hash(time_cost=2))

    right, better = await stronger.verify("correct horse", stored)

    assert right
    assert better is not None
    assert await stronger.verify("correct horse", better) == (True, None)


async def test_no_better_hash_is_made_of_a_wrong_password() -> None:
    stored = await Passwords(cheap_password_hash()).hash("correct horse")

    assert await Passwords(cheap_password_hash(time_cost=2)).verify("wrong horse", stored) == (False, None)


async def test_a_password_is_the_same_in_either_normal_form_and_may_be_no_text_at_all() -> None:
    passwords = Passwords(cheap_password_hash())

    assert await passwords.verify("cafe\u0301", await passwords.hash("caf\u00e9")) == (True, None)
    assert await passwords.verify("\ud800", await passwords.hash("\ud800")) == (True, None)
