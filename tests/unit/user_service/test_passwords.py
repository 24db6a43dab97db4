from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from user_service.services.passwords import Passwords


def cheap(time_cost: int = 1) -> PasswordHash:
    return PasswordHash([Argon2Hasher(time_cost=time_cost, memory_cost=8, parallelism=1)])


async def test_a_password_is_verified_against_its_own_hash_alone() -> None:
    passwords = Passwords(cheap())
    stored = await passwords.hash("correct horse")

    assert await passwords.verify("correct horse", stored) == (True, None)
    assert await passwords.verify("wrong horse", stored) == (False, None)


async def test_a_hash_is_argon2id_and_salted() -> None:
    passwords = Passwords(cheap())

    one, other = await passwords.hash("correct horse"), await passwords.hash("correct horse")

    assert one.startswith("$argon2id$")
    assert one != other


async def test_no_password_is_right_where_there_is_no_hash() -> None:
    right, _ = await Passwords(cheap()).verify("correct horse", None)

    assert not right


async def test_a_better_hash_is_offered_when_the_parameters_have_changed() -> None:
    stored = await Passwords(cheap()).hash("correct horse")
    stronger = Passwords(cheap(time_cost=2))

    right, better = await stronger.verify("correct horse", stored)

    assert right
    assert better is not None
    assert await stronger.verify("correct horse", better) == (True, None)


async def test_no_better_hash_is_made_of_a_wrong_password() -> None:
    stored = await Passwords(cheap()).hash("correct horse")

    assert await Passwords(cheap(time_cost=2)).verify("wrong horse", stored) == (False, None)


async def test_a_password_is_the_same_in_either_normal_form_and_may_be_no_text_at_all() -> None:
    passwords = Passwords(cheap())

    assert await passwords.verify("cafe\u0301", await passwords.hash("caf\u00e9")) == (True, None)
    assert await passwords.verify("\ud800", await passwords.hash("\ud800")) == (True, None)
