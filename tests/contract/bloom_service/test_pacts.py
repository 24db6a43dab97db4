"""What bloom_service uses of user_service, and is held to by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx

from bloom_service.export import Export
from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from contracts.routing import Service
from tests.support.bloom_service import (
    SERVICE_TOKEN,
    BloomService,
    message,
    new_digest,
    registered,
    running_bloom_service,
)
from tests.support.pacts import (
    DIGEST,
    DIGEST_KEY_ID,
    Uses,
    again,
    digest,
    id_of,
    some_digests,
    some_text,
    some_time,
    verify,
)
from tests.support.serving import in_a_thread


async def test_uses_these_messages_and_answers(tmp_path: Path) -> None:
    uses = Uses(Service.BLOOM_SERVICE, Service.USER_SERVICE)
    digests = {"email_digest": digest(), "email_digest_key_id": some_text(DIGEST_KEY_ID)}
    uses.message(
        "a watermark", UsersWatermark, {"as_of": some_time(), "email_digest_key_ids": [some_text(DIGEST_KEY_ID)]}
    )
    uses.message("a registration", UserRegistered, digests)
    uses.message("a deletion", UserDeleted, digests)
    uses.answer(
        "the digests of all registered addresses",
        given="people are registered",
        method="GET",
        path="/internal/v1/emails/digests",
        query={"key_id": DIGEST_KEY_ID, "after": id_of(0), "limit": "20000"},
        answer={"digests": some_digests(), "next": None},
    )

    async with running_bloom_service(tmp_path) as service:
        service.users.export.digests[DIGEST_KEY_ID] = {}
        told = {delivery.type: again(delivery) for delivery in uses.deliveries()}
        await service.bus.publish([told[UsersWatermark.type]])
        assert (await service.generation_is(1))["key_id"] == DIGEST_KEY_ID
        await service.users.publish(*(message(registered(new_digest(), key_id=DIGEST_KEY_ID)) for _ in range(30)))
        await service.bus.publish([told[UserRegistered.type], told[UserDeleted.type]])
        await service.users.have_keys(DIGEST_KEY_ID)
        await service.answers(key_id=DIGEST_KEY_ID)

        assert await service.might_exist(DIGEST, DIGEST[::-1], key_id=DIGEST_KEY_ID) == [True, False]
        assert (await service.stats())["deleted"] == 1
        assert not service.dead_letters.deliveries

    with uses.answers.serve() as server:
        async with httpx.AsyncClient(base_url=str(server.url)) as user_service:
            page = await Export(user_service, "secret").page(DIGEST_KEY_ID, UUID(id_of(0)))
            assert (page.digests, page.next) == (DIGEST, None)
    uses.hold()


def test_is_as_others_use_it(tmp_path: Path) -> None:
    with in_a_thread(hearing_watermarks(tmp_path)) as (service, portal, url):
        verify(
            Service.BLOOM_SERVICE,
            url=url,
            token=SERVICE_TOKEN,
            states={
                "it is up to date, and the address is registered": lambda: portal.call(catch_up, service),
                "it is behind": lambda: portal.call(service.bus.stop),
            },
        )


@asynccontextmanager
async def hearing_watermarks(folder: Path) -> AsyncIterator[BloomService]:
    async with running_bloom_service(folder) as service:
        await service.users.have_keys(DIGEST_KEY_ID)
        async with service.users.saying_watermarks():
            yield service


async def catch_up(service: BloomService) -> None:
    await service.bus.start()
    await service.answers(key_id=DIGEST_KEY_ID)
    await service.users.publish(message(registered(DIGEST, key_id=DIGEST_KEY_ID)))
    await service.count_reaches(1)
