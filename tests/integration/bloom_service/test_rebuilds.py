"""The filter is made anew from user_service's export, and answers meanwhile if there was one before."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bloom_service.services import rebuilds
from tests.support.bloom_service import (
    KEY,
    SERVICE_TOKEN,
    BloomService,
    ExportStandIn,
    message,
    new_digest,
    registered,
    running_bloom_service,
)
from tests.support.eventually import eventually
from tests.support.shapes import Json, ok, problem


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[BloomService]:
    """Which hears of watermarks, in a new folder, with sixty accounts in user_service in pages of ten."""
    async with running_bloom_service(tmp_path, ExportStandIn(page=10)) as service:
        await service.users.commit(*(registered(new_digest()) for _ in range(60)))
        async with service.users.saying_watermarks():
            yield service


def digests_of(service: BloomService, key_id: str = KEY) -> list[str]:
    return list(service.users.export.digests[key_id].values())


async def asked_for(service: BloomService, pages: int) -> None:
    """Wait until so many have been asked for."""

    async def enough() -> bool:
        return len(service.users.export.asked) >= pages

    await eventually(enough)


async def test_knows_who_was_there_before_it(service: BloomService) -> None:
    await service.answers()

    assert await service.might_exist(*digests_of(service)) == [True] * 60
    assert await service.might_exist(new_digest()) == [False]
    assert len(service.users.export.asked) == 6
    assert service.users.export.credentials == {f"Bearer {SERVICE_TOKEN}"}


async def test_misses_nobody_who_registers_while_it_is_made(service: BloomService) -> None:
    """Behind the page that is read, before it, on it, and twice."""
    service.users.export.delay_s = 0.02
    known = digests_of(service)
    while (await service.stats())["generation"] == 0:
        known.append(new_digest())
        await service.users.register(known[-1])
        await service.users.publish(message(registered(known[-1])))

    await service.answers()
    assert all(await service.might_exist(*known))


async def test_says_how_far_it_is(service: BloomService) -> None:
    service.users.export.delay_s = 0.05
    await asked_for(service, 3)

    detail = problem(await service.check(new_digest()), 503, "behind")["detail"]
    young = (await service.stats())["rebuilding"]

    assert "made anew" in detail
    assert (young["generation"], young["key_id"], young["capacity"]) == (1, KEY, 100)
    assert 10 <= young["accounts"] < 60
    await service.answers()
    assert (await service.stats())["rebuilding"] is None


async def test_the_one_before_answers_while_another_is_made_on_command(service: BloomService) -> None:
    await service.answers()
    service.users.export.delay_s = 0.05
    new = new_digest()

    assert await service.rebuild() == {"key_ids": [KEY]}
    await asked_for(service, 6 + 2)
    await service.users.register(new)

    stats = await service.stats()
    assert (stats["generation"], stats["rebuilding"]["generation"]) == (1, 2)
    assert all(await service.might_exist(*digests_of(service)))
    await service.generation_is(2)
    assert all(await service.might_exist(*digests_of(service)))
    assert (await service.stats())["rebuilding"] is None


async def test_grows_before_it_is_full(service: BloomService) -> None:
    await service.answers()
    await service.users.register(*(new_digest() for _ in range(21)))

    stats = await service.generation_is(2)

    assert stats["capacity"] == pytest.approx(2 * 81, rel=0.1)
    assert stats["count"] == pytest.approx(81, abs=1)
    assert all(await service.might_exist(*digests_of(service)))


async def test_grows_at_once_if_there_were_more_than_it_had_room_for(tmp_path: Path) -> None:
    async with running_bloom_service(tmp_path, capacity=50) as service:
        await service.users.commit(*(registered(new_digest()) for _ in range(400)))
        async with service.users.saying_watermarks():
            stats = await service.generation_is(2)

            assert stats["capacity"] == pytest.approx(800, rel=0.2)
            assert stats["estimated_error_rate"] < 0.001
            assert all(await service.might_exist(*digests_of(service)))


async def test_forgets_the_deleted_when_they_are_many(service: BloomService) -> None:
    await service.answers()
    gone = digests_of(service)[:4]

    await service.users.delete(*gone)

    stats = await service.generation_is(2)
    assert (stats["count"], stats["deleted"]) == (56, 0)
    assert await service.might_exist(*gone) == [False] * 4
    assert all(await service.might_exist(*digests_of(service)))


async def test_an_address_can_be_taken_again_after_its_account_was_deleted(service: BloomService) -> None:
    await service.answers()
    digest = digests_of(service)[0]
    await service.users.delete(digest)
    await service.users.register(digest)
    await service.rebuild()
    await service.generation_is(2)

    assert await service.might_exist(digest) == [True]


async def test_leaves_user_service_time_for_others(service: BloomService, monkeypatch: pytest.MonkeyPatch) -> None:
    await service.answers()
    monkeypatch.setattr(rebuilds, "PER_SECOND", 100)

    async def made() -> bool:
        return bool((await service.stats())["generation"] == 2)

    began = time.monotonic()
    await service.rebuild()
    await eventually(made)

    assert time.monotonic() - began >= 5 * 10 / 100, "the pages after the first came too soon"


async def test_a_user_service_that_is_away_is_waited_for_and_the_scan_goes_on_where_it_was(
    service: BloomService,
) -> None:
    export = service.users.export
    export.delay_s = 0.02
    await asked_for(service, 3)
    export.status = 500
    await asked_for(service, 6)
    export.status = 200

    await service.answers()

    assert all(await service.might_exist(*digests_of(service)))
    assert len(dict.fromkeys(export.asked)) == 6
    assert len(export.asked) > 6


async def test_an_instance_of_user_service_without_the_key_is_waited_out(service: BloomService) -> None:
    """Its neighbours have it already: they have said so."""
    export = service.users.export
    digests = export.digests.pop(KEY)
    await asked_for(service, 2)
    export.digests[KEY] = digests

    await service.answers()


async def test_one_that_misses_somebody_while_it_is_made_begins_anew(service: BloomService) -> None:
    service.users.export.delay_s = 0.05
    await asked_for(service, 3)
    stranger = registered(new_digest(), key_id="another")
    service.users.export.digests[KEY][stranger.user_id] = new_digest()
    await service.users.publish(message(stranger))

    await service.answers()

    assert (await service.stats())["generation"] == 2
    assert all(await service.might_exist(*digests_of(service)))


async def test_a_key_takes_the_place_of_another_without_a_moment_that_is_not_answered(service: BloomService) -> None:
    users = service.users
    await service.answers()
    service.users.export.delay_s = 0.02
    asking = asyncio.create_task(ask_under(service, KEY))

    await users.have_keys(KEY, "new")
    for _ in range(5):
        await users.register_under(KEY, "new")
    await service.answers(key_id="new")
    assert not asking.done()
    asking.cancel()
    asking = asyncio.create_task(ask_under(service, "new"))
    for key_ids in ([KEY, "new"], ["new", KEY], ["new"]):
        await users.have_keys(*key_ids)
        await users.register_under(*key_ids)
        await asyncio.sleep(0.1)
    assert not asking.done()
    asking.cancel()

    assert all(await service.might_exist(*digests_of(service, "new"), key_id="new"))
    stats = await service.stats()
    assert (stats["key_id"], stats["ready"].keys()) == ("new", {"new"})
    problem(await service.check(new_digest()), 503, "behind")


async def ask_under(service: BloomService, key_id: str) -> None:
    """For everybody, until it is not answered."""
    while True:
        digests = digests_of(service, key_id)[:50]
        answer: Json = ok(await service.check(*digests, key_id=key_id))
        assert all(answer["might_exist"])
        await asyncio.sleep(0.01)


async def test_both_keys_survive_a_restart(tmp_path: Path) -> None:
    export = ExportStandIn()
    async with running_bloom_service(tmp_path, export) as service:
        await service.users.have_keys(KEY, "new")
        await service.answers(key_id="new")
        await service.users.register_under(KEY, "new")
    asked = len(export.asked)

    async with running_bloom_service(tmp_path, export) as service:
        await service.users.have_keys(KEY, "new")
        for key_id in (KEY, "new"):
            await service.answers(key_id=key_id)
            assert await service.might_exist(*digests_of(service, key_id), key_id=key_id) == [True]
    assert len(export.asked) == asked


async def test_what_was_not_finished_when_it_ended_begins_anew(tmp_path: Path) -> None:
    export = ExportStandIn(page=10)
    async with running_bloom_service(tmp_path, export) as service:
        await service.users.commit(*(registered(new_digest()) for _ in range(40)))
        export.delay_s = 0.1
        await service.users.say_watermark()
        await asked_for(service, 2)
    export.delay_s, export.asked = 0.0, []

    async with running_bloom_service(tmp_path, export) as service:
        await service.users.say_watermark()
        await service.answers()
        assert all(await service.might_exist(*digests_of(service)))
    assert len(export.asked) == 4


async def test_answers_while_a_large_page_is_added(tmp_path: Path) -> None:
    export = ExportStandIn()
    async with running_bloom_service(tmp_path, export, capacity=50_000) as service, service.users.saying_watermarks():
        await service.answers()
        await service.users.commit(*(registered(new_digest()) for _ in range(20_000)))
        await service.rebuild()
        answered_meanwhile = 0
        while (await service.stats())["generation"] == 1:
            ok(await service.check(new_digest()))
            answered_meanwhile += 1
            await asyncio.sleep(0)  # nothing else waits for anything here

        assert answered_meanwhile >= 20
        assert (await service.stats())["count"] == pytest.approx(20_000, abs=20)
