"""One key takes the place of another, restart by restart: what user_service says and asks at each step."""

import secrets

import httpx
from prometheus_client import REGISTRY

from contracts.messages import UserRegistered, UsersWatermark
from tests.support.client import new_credentials
from tests.support.eventually import eventually
from tests.support.shapes import ok, problem
from tests.support.user_service import SERVICE_TOKEN, UserService, running_user_service
from user_service.migrations import upgrade
from user_service.services.emails import DigestKey

OLD_KEY, NEW_KEY = secrets.token_urlsafe(), secrets.token_urlsafe()
OLD, NEW = DigestKey(OLD_KEY), DigestKey(NEW_KEY)


async def register(service: UserService) -> tuple[str, UserRegistered]:
    """The address, and what is told of it."""
    own = ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)
    return own["email"], (await service.hear(UserRegistered))[-1]


async def ask_for_digests(service: UserService, key: DigestKey) -> httpx.Response:
    headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    return await service.http.get("/internal/v1/emails/digests", params={"key_id": key.id}, headers=headers)


async def exports(service: UserService, key: DigestKey, *emails: str) -> None:
    """Of all who are registered, in the order in which they have."""
    assert ok(await ask_for_digests(service, key)) == {"digests": "".join(digests(key, *emails)), "next": None}


def digests(key: DigestKey, *emails: str) -> list[str]:
    return [key.digest(email).hex() for email in emails]


async def names(service: UserService, *keys: DigestKey) -> None:
    """In its watermarks."""
    (watermark, *_) = await service.hear(UsersWatermark)
    assert watermark.email_digest_key_ids == [key.id for key in keys]


async def tells_taken_from_free(service: UserService, taken: str, *, by: tuple[str, str]) -> None:
    """Whoever answers for the one and for the other."""
    for email, available, answered_by in ((taken, False, by[0]), (new_credentials()["email"], True, by[1])):
        before = _answers(answered_by)
        answer = await service.http.post("/api/v1/users/availability", json={"email": email})
        assert ok(answer) == {"available": available}
        assert _answers(answered_by) == before + 1


def _answers(by: str) -> float:
    return REGISTRY.get_sample_value("parley_email_availability_answers_total", {"by": by}) or 0.0


WITH_THE_FILTER = ("database", "filter")
WITHOUT_IT = ("database_alone", "database_alone")


async def test_a_key_takes_the_place_of_another_while_everybody_is_served(database_url: str) -> None:
    await upgrade(database_url)

    async with running_user_service(database_url, email_digest_keys=[OLD_KEY]) as service:
        alice, told = await register(service)
        assert (told.email_digest, told.email_digest_key_id) == (*digests(OLD, alice), OLD.id)
        assert (told.second_email_digest, told.second_email_digest_key_id) == (None, None)
        await names(service, OLD)
        await exports(service, OLD, alice)
        problem(await ask_for_digests(service, NEW), 404, "unknown_key")
        service.bloom.key_ids, service.bloom.registered = {OLD.id}, {*digests(OLD, alice)}
        await tells_taken_from_free(service, alice, by=WITH_THE_FILTER)

    # the filter can be made under the new key, and is still asked under the old one
    async with running_user_service(database_url, email_digest_keys=[OLD_KEY, NEW_KEY]) as service:
        bob, told = await register(service)
        assert (told.email_digest, told.email_digest_key_id) == (*digests(OLD, bob), OLD.id)
        assert (told.second_email_digest, told.second_email_digest_key_id) == (*digests(NEW, bob), NEW.id)
        await names(service, OLD, NEW)
        await exports(service, OLD, alice, bob)
        await exports(service, NEW, alice, bob)
        service.bloom.key_ids, service.bloom.registered = {OLD.id}, {*digests(OLD, alice, bob)}
        await tells_taken_from_free(service, bob, by=WITH_THE_FILTER)

    # it is asked under the new key, and can still be made under the old one: from here one can go back
    async with running_user_service(database_url, email_digest_keys=[NEW_KEY, OLD_KEY]) as service:
        carol, told = await register(service)
        assert (told.email_digest, told.email_digest_key_id) == (*digests(NEW, carol), NEW.id)
        assert (told.second_email_digest, told.second_email_digest_key_id) == (*digests(OLD, carol), OLD.id)
        await names(service, NEW, OLD)
        await exports(service, OLD, alice, bob, carol)
        await exports(service, NEW, alice, bob, carol)
        # should the filter not be ready yet, the database answers
        service.bloom.key_ids, service.bloom.registered = {OLD.id}, {*digests(OLD, alice, bob, carol)}
        await tells_taken_from_free(service, alice, by=WITHOUT_IT)
        service.bloom.key_ids, service.bloom.registered = {NEW.id}, {*digests(NEW, alice, bob, carol)}
        await tells_taken_from_free(service, alice, by=WITH_THE_FILTER)
        await eventually(lambda: all_are_stored_under(service, NEW))

    async with running_user_service(database_url, email_digest_keys=[NEW_KEY]) as service:
        dave, told = await register(service)
        assert (told.email_digest, told.email_digest_key_id) == (*digests(NEW, dave), NEW.id)
        assert (told.second_email_digest, told.second_email_digest_key_id) == (None, None)
        await names(service, NEW)
        await exports(service, NEW, alice, bob, carol, dave)
        problem(await ask_for_digests(service, OLD), 404, "unknown_key")
        service.bloom.key_ids, service.bloom.registered = {NEW.id}, {*digests(NEW, alice, bob, carol, dave)}
        await tells_taken_from_free(service, alice, by=WITH_THE_FILTER)


async def all_are_stored_under(service: UserService, key: DigestKey) -> bool:
    return all(
        (row["email_digest"], row["email_digest_key_id"]) == (key.digest(row["email_canonical"]), key.id)
        for row in await service.rows("users")
    )
