"""Whatever was ever released for bloom_service to read is understood by its real handlers, and takes effect."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from common.ids import uuid7
from contracts.messages import UserDeleted, UserRegistered, UsersWatermark
from contracts.routing import EVENTS, Service
from messaging.bus import Message
from tests.support.bloom_service import (
    AUTHORIZATION,
    BloomService,
    message,
    new_digest,
    registered,
    running_bloom_service,
)
from tests.support.released import Sample, samples_read_by
from tests.support.shapes import ok


@pytest.mark.parametrize("sample", samples_read_by(Service.BLOOM_SERVICE))
async def test_what_was_released_is_understood(sample: Sample, tmp_path: Path) -> None:
    async with running_bloom_service(tmp_path) as service:
        await service.users.have_keys(KEY)
        await service.answers(key_id=KEY)

        await EFFECTS[sample.name](service, sample)

        assert not service.dead_letters.deliveries


async def is_registered(service: BloomService, sample: Sample) -> None:
    """Under both keys, if all of them have digests under both."""
    digests = {KEY: [event["email_digest"] for event in sample.events]}
    if all(event.get("second_email_digest") for event in sample.events):
        digests[SECOND_KEY] = [event["second_email_digest"] for event in sample.events]
        await service.users.have_keys(KEY, SECOND_KEY)
        await service.answers(key_id=SECOND_KEY)

    await publish(service, sample)

    for key_id, under_key in digests.items():
        assert await service.might_exist(*under_key, new_digest(), key_id=key_id) == [*(True for _ in under_key), False]


async def is_deleted(service: BloomService, sample: Sample) -> None:
    others = [new_digest() for _ in range(60)]
    digests = [*others, *(event["email_digest"] for event in sample.events)]
    await service.users.publish(*(message(registered(digest, key_id=KEY)) for digest in digests))

    await publish(service, sample)

    assert (await service.stats())["deleted"] == len(sample.events)


async def is_as_of_then(service: BloomService, sample: Sample) -> None:
    """The moment is long ago, so the service knows that it is behind."""
    await publish(service, sample)

    await service.is_behind("s behind")


async def is_answered(service: BloomService, sample: Sample) -> None:
    asked = sample.json.get("digests", [sample.json.get("digest")])
    await service.users.publish(message(registered(asked[0], key_id=KEY)))

    answer = ok(await service.http.post("/emails/check", content=sample.body, headers=AUTHORIZATION | JSON))

    assert answer["might_exist"] == [True, *(False for _ in asked[1:])]


async def is_in_the_filter(service: BloomService, sample: Sample) -> None:
    digests = sample.json["digests"]
    service.users.export.first = sample.body

    await service.rebuild()
    await service.generation_is(2)

    assert await service.might_exist(digests[:64], digests[-64:], new_digest(), key_id=KEY) == [True, True, False]


async def publish(service: BloomService, sample: Sample) -> None:
    """As user_service does; returns when it has been handled."""
    type = sample.name
    await service.bus.publish([Message(EVENTS, type, sample.body, type, str(uuid7()), sample.content_type)])


KEY, SECOND_KEY = "2026-01", "2026-07"
"""Of the samples."""

JSON = {"Content-Type": "application/json"}

EFFECTS: dict[str, Callable[[BloomService, Sample], Awaitable[None]]] = {
    UserRegistered.type: is_registered,
    UserDeleted.type: is_deleted,
    UsersWatermark.type: is_as_of_then,
    "http.email_check.v1": is_answered,
    "http.email_digests.v1": is_in_the_filter,
}
