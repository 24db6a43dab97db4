import time

from pwdlib import PasswordHash

from tests.support.user_service import cheap_password_hash
from user_service.services.passwords import Passwords


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


async def test_it_takes_as_long_to_find_that_there_is_no_hash_as_that_a_password_is_wrong() -> None:
    passwords = Passwords(PasswordHash.recommended())
    stored = await passwords.hash("correct horse")

    async def quickest(password_hash: str | None) -> float:
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            await passwords.verify("wrong horse", password_hash)
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    assert 0.5 < await quickest(None) / await quickest(stored) < 2


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
