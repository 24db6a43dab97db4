"""What user_service uses of bloom_service, and what others use of user_service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from common.database import Database
from contracts.messages import SessionRevoked, UserDeleted, UserProfileChanged, UserRegistered, UsersWatermark
from contracts.routing import Service
from messaging.bus import Delivery
from tests.support.client import PASSWORD, User, new_credentials
from tests.support.pacts import DIGEST, DIGEST_KEY, DIGEST_KEY_ID, Uses, id_of, verify
from tests.support.serving import in_a_thread
from tests.support.shapes import ok
from tests.support.user_service import SERVICE_TOKEN, UserService, running_user_service
from user_service import models
from user_service.migrations import upgrade
from user_service.services import availability
from user_service.services.availability import EmailFilter, FilterUnavailable
from user_service.services.circuit import CircuitBreaker


async def test_uses_these_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "_FILTER_TIMEOUT_S", 10)  # the stand-in is slower than the service may be
    other = "0" * 64
    uses = Uses(Service.USER_SERVICE, Service.BLOOM_SERVICE)
    uses.answer(
        "whether a registered address might exist",
        given="it is up to date, and the address is registered",
        method="POST",
        path="/emails/check",
        body={"key_id": DIGEST_KEY_ID, "digest": DIGEST},
        answer={"might_exist": [True]},
    )
    uses.answer(
        "whether an address might exist",
        given="it is behind",
        method="POST",
        path="/emails/check",
        body={"key_id": DIGEST_KEY_ID, "digest": other},
        status=503,
    )

    with uses.answers.serve() as server:
        async with httpx.AsyncClient(base_url=str(server.url)) as bloom:
            emails = EmailFilter(bloom, "secret", CircuitBreaker())
            assert await emails.might_exist(DIGEST, DIGEST_KEY_ID)
            with pytest.raises(FilterUnavailable):
                await emails.might_exist(other, DIGEST_KEY_ID)
    uses.hold()


def test_is_as_others_use_it(tmp_path: Path) -> None:
    with in_a_thread(migrated(f"sqlite+aiosqlite:///{tmp_path}/users.db")) as (service, portal, url):
        watermark = portal.call(first_watermark, service)
        verify(
            Service.USER_SERVICE,
            {"a watermark": watermark, **portal.call(lead_a_life, service)},
            url=url,
            token=SERVICE_TOKEN,
            states={
                "somebody is registered": lambda: portal.call(register_as, service, UUID(id_of(1))),
                "people are registered": lambda: portal.call(User.register, service.http),
                "of two sessions one is active": lambda: portal.call(sign_in_as, service, UUID(id_of(0x31))),
                "nobody is registered": lambda: None,
                "it is there": lambda: None,
            },
        )


@asynccontextmanager
async def migrated(database_url: str) -> AsyncIterator[UserService]:
    await upgrade(database_url)
    async with running_user_service(database_url, email_digest_keys=[DIGEST_KEY]) as service:
        yield service


async def first_watermark(service: UserService) -> Delivery:
    await service.hear(UsersWatermark)
    return of_type(service, UsersWatermark.type)


async def lead_a_life(service: UserService) -> dict[str, Delivery]:
    """Somebody does all that is told of users."""
    user = await User.register(service.http)
    await user.patch("/users/me", {"display_name": "Another"})
    await user.logout()
    again = await user.another_session()
    await again.delete("/users/me", {"password": PASSWORD})
    await service.hear(UserDeleted)
    await service.hear(SessionRevoked, 2)
    return {
        "a registration": of_type(service, UserRegistered.type),
        "a change of names": of_type(service, UserProfileChanged.type),
        "a deletion": of_type(service, UserDeleted.type),
        "the end of a session": of_type(service, SessionRevoked.type),
    }


def of_type(service: UserService, type: str) -> Delivery:
    """The first that was published."""
    return next(delivery for delivery in service.deliveries if delivery.type == type)


async def register_as(service: UserService, user_id: UUID) -> None:
    """A new user under an id that is known beforehand."""
    own = ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)
    database = Database(service.database_url)
    async with database.write() as session:
        await session.execute(update(models.User).where(models.User.id == UUID(own["id"])).values(id=user_id))
        await session.commit()
    await database.close()


async def sign_in_as(service: UserService, session_id: UUID) -> None:
    """A new user's session under an id that is known beforehand."""
    user = await User.register(service.http)
    database = Database(service.database_url)
    async with database.write() as session:
        of_user = models.Session.user_id == UUID(user.id)
        old = (await session.scalars(select(models.Session).where(of_user))).one()
        session.add(
            models.Session(id=session_id, user_id=old.user_id, created_at=old.created_at, expires_at=old.expires_at)
        )
        await session.commit()
    await database.close()
