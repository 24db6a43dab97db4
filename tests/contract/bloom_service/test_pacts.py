"""What bloom_service uses of user_service, and is held to by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from contracts.routing import Service
from tests.support.bloom_service import SERVICE_TOKEN, BloomService, running_bloom_service
from tests.support.pacts import DIGEST, Uses, again, digest, some_time, verify
from tests.support.serving import in_a_thread


async def test_uses_these_messages(tmp_path: Path) -> None:
    uses = Uses(Service.BLOOM_SERVICE, Service.USER_SERVICE)
    uses.message("a watermark from before anybody registered", UsersWatermark, {"as_of": some_time(), "nobody": True})
    uses.message("a registration", UserRegistered, {"email_digest": digest()})
    uses.message("a deletion", UserDeleted, {"email_digest": digest()})

    async with running_bloom_service(tmp_path) as service:
        await service.bus.publish([again(delivery) for delivery in uses.deliveries()])
        await service.users.say_watermark()
        await service.answers()

        assert await service.might_exist(DIGEST, DIGEST[::-1]) == [True, False]
        assert (await service.stats())["deleted"] == 1
        assert not service.dead_letters.deliveries
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
        await service.users.say_watermark(nobody=True)
        async with service.users.saying_watermarks():
            yield service


async def catch_up(service: BloomService) -> None:
    await service.bus.start()
    await service.users.register(DIGEST)
    await service.count_reaches(1)
    await service.answers()
