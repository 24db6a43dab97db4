import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from common.database import Database
from contracts.internal_http import EmailDigests
from contracts.messages import UserRegistered
from tests.support.client import PASSWORD, User, new_credentials
from tests.support.shapes import invalid_request, ok, problem
from tests.support.user_service import EMAIL_DIGEST_KEY, SERVICE_TOKEN, UserService
from user_service import models
from user_service.services import digest_export
from user_service.services.emails import DigestKey

KEY = DigestKey(EMAIL_DIGEST_KEY)


@dataclass
class Export:
    http: httpx.AsyncClient

    async def ask(self, credential: str = SERVICE_TOKEN, **query: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {credential}"}
        return await self.http.get("/internal/v1/emails/digests", params={"key_id": KEY.id, **query}, headers=headers)

    async def pages(self, limit: int) -> AsyncIterator[list[str]]:
        """The digests of each, one after the other."""
        after: dict[str, str] = {}
        while True:
            answer = await self.ask(limit=str(limit), **after)
            page = EmailDigests.model_validate(ok(answer))
            yield [page.digests[start : start + 64] for start in range(0, len(page.digests), 64)]
            if page.next is None:
                return
            after = {"after": str(page.next)}

    async def all(self, limit: int = 2) -> list[str]:
        return [digest async for page in self.pages(limit) for digest in page]


@pytest.fixture
def export(http: httpx.AsyncClient) -> Export:
    return Export(http)


@pytest.fixture
async def digests(service: UserService) -> list[str]:
    """Those of five who have registered, in order."""
    for _ in range(5):
        ok(await service.http.post("/api/v1/users", json=new_credentials()), 201)
    registered = await service.hear(UserRegistered, 5)
    return [event.email_digest for event in sorted(registered, key=lambda event: event.user_id)]


async def lose_stored(service: UserService, user_ids: Sequence[UUID]) -> None:
    """As an older version leaves rows, which does not store digests."""
    database = Database(service.database_url)
    async with database.write() as session:
        of_users = update(models.User).where(models.User.id.in_(user_ids))
        await session.execute(of_users.values(email_digest=None, email_digest_key_id=None))
        await session.commit()
    await database.close()


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 50_000])
async def test_has_every_registered_address_in_pages_of_any_size(
    export: Export, digests: list[str], limit: int
) -> None:
    pages = [page async for page in export.pages(limit)]

    assert [digest for page in pages for digest in page] == digests
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


async def test_is_one_empty_page_before_anybody_registers(export: Export) -> None:
    assert ok(await export.ask()) == {"digests": "", "next": None}


@pytest.mark.parametrize("missing", [[0], [1, 3], [0, 1, 2, 3, 4]])
async def test_computes_the_digests_that_are_not_stored(
    service: UserService, export: Export, digests: list[str], missing: list[int]
) -> None:
    user_ids = sorted(row["id"] for row in await service.rows("users"))
    await lose_stored(service, [user_ids[number] for number in missing])

    assert await export.all() == digests
    assert await export.all(limit=50_000) == digests


async def test_computes_more_than_the_event_loop_can_spare_at_once(
    service: UserService, export: Export, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await lose_stored(service, [row["id"] for row in await service.rows("users")])
    monkeypatch.setattr(digest_export, "_COMPUTED_AT_ONCE", 2)

    assert await export.all(limit=50_000) == digests


async def test_does_not_have_who_was_deleted(service: UserService, export: Export, alice: User) -> None:
    before = await export.all()
    await alice.delete("/users/me", {"password": PASSWORD})

    assert len(before) == 1
    assert await export.all() == []


async def test_with_the_events_since_it_began_misses_nobody_who_comes_and_goes_meanwhile(
    service: UserService, export: Export
) -> None:
    leaving = [await User.register(service.http) for _ in range(10)]
    await service.hear(UserRegistered, 10)
    scanned = asyncio.Event()

    async def come_and_go() -> int:
        """How many came."""
        came = 0
        while not scanned.is_set() or leaving:
            own, *_ = await asyncio.gather(
                service.http.post("/api/v1/users", json=new_credentials()),
                service.http.post("/api/v1/users", json=new_credentials()),
                *(leaving.pop().delete("/users/me", {"password": PASSWORD}) for _ in leaving[:1]),
            )
            ok(own, 201)
            came += 2
        return came

    heard_before = len(service.published)
    coming = asyncio.create_task(come_and_go())
    exported: set[str] = set()
    async for page in export.pages(3):
        exported.update(page)
        await asyncio.sleep(0)
    scanned.set()
    came = await coming

    registered = {event.user_id: event.email_digest for event in await service.hear(UserRegistered, 10 + came)}
    since = {
        envelope.payload.email_digest
        for envelope in service.published[heard_before:]
        if isinstance(envelope.payload, UserRegistered)
    }
    there = {registered[row["id"]] for row in await service.rows("users")}
    assert len(there) == came
    assert there <= exported | since


async def test_of_a_key_that_is_not_there_is_not_found(export: Export) -> None:
    problem(await export.ask(key_id="01234567"), 404, "unknown_key")
    problem(await export.ask(key_id=""), 404, "unknown_key")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "50001"}, {"limit": "all"}, {"after": "me"}])
async def test_asked_for_in_a_bad_form_is_refused(export: Export, query: dict[str, str]) -> None:
    (error,) = invalid_request(await export.ask(**query))

    assert error["loc"] == ["query", *query]


async def test_after_an_id_of_nobody_goes_on_with_whoever_comes_next(export: Export, digests: list[str]) -> None:
    assert ok(await export.ask(after=str(UUID(int=0))))["digests"] == "".join(digests)
    assert ok(await export.ask(after=str(UUID(int=2**128 - 1))))["digests"] == ""


async def test_is_for_services_of_this_deployment_alone(export: Export, alice: User) -> None:
    for credential in ("", "wrong", alice.account.access_token):
        problem(await export.ask(credential), 401, "invalid_token")
