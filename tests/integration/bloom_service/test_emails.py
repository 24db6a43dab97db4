"""What other services ask over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from common.ids import now
from tests.support.bloom_service import (
    AUTHORIZATION,
    KEY,
    BloomService,
    ExportStandIn,
    deleted,
    message,
    new_digest,
    running_bloom_service,
)
from tests.support.shapes import Json, ok, problem


async def test_knows_who_registered_and_nobody_else(ready: BloomService) -> None:
    known = [new_digest() for _ in range(50)]
    strangers = [new_digest() for _ in range(50)]
    await ready.users.register(*known)

    assert await ready.might_exist(*known) == [True] * 50
    # each of them is called known once in a thousand times
    assert sum(await ready.might_exist(*strangers)) <= 2


async def test_answers_for_one_digest_as_for_many(ready: BloomService) -> None:
    known = new_digest()
    await ready.users.register(known)

    for digest, answer in ((known, True), (new_digest(), False)):
        response = await ready.http.post("/emails/check", json={"digest": digest}, headers=AUTHORIZATION)
        assert ok(response) == {"might_exist": [answer]}


async def test_tells_how_it_is(ready: BloomService) -> None:
    digests = [new_digest() for _ in range(60)]
    await ready.users.register(*digests)
    await ready.users.register(digests[0])
    last = message(deleted(digests[1]))
    await ready.users.publish(last)

    stats = await ready.stats()

    assert stats.keys() == {
        *("generation", "count", "deleted", "capacity", "target_error_rate"),
        *("estimated_error_rate", "size_bytes", "last_event_id"),
        *("key_id", "ready", "rebuilding"),
    }
    # a new digest may seem to be there already, once in a thousand times
    assert 58 <= stats["count"] <= 60
    assert (stats["deleted"], stats["generation"], stats["last_event_id"]) == (1, 1, last.id)
    assert (stats["capacity"], stats["target_error_rate"], stats["size_bytes"]) == (100, 0.001, 180)
    assert 0 < stats["estimated_error_rate"] < 0.001
    assert (stats["key_id"], stats["ready"], stats["rebuilding"]) == (KEY, {KEY: 1}, None)


async def test_tells_how_it_is_while_there_is_no_filter(service: BloomService) -> None:
    stats = await service.stats()

    assert (stats["generation"], stats["key_id"], stats["count"], stats["last_event_id"]) == (0, None, 0, None)
    assert (stats["capacity"], stats["target_error_rate"], stats["estimated_error_rate"]) == (100, 0.001, 0.0)


async def test_still_knows_a_deleted_email(ready: BloomService) -> None:
    digests = [new_digest() for _ in range(30)]
    await ready.users.register(*digests)
    await ready.users.delete(digests[0])

    assert await ready.might_exist(*digests) == [True] * 30


@pytest.mark.parametrize("path", ["/emails/check", "/emails/stats", "/emails/rebuild"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe9"}])
async def test_answers_services_alone(service: BloomService, path: str, headers: dict[str, str]) -> None:
    method = "GET" if path.endswith("stats") else "POST"
    encoded = httpx.Headers(headers, encoding="latin-1")

    response = await service.http.request(method, path, json={"digest": new_digest()}, headers=encoded)

    problem(response, 401, "invalid_token")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"digest": new_digest(), "digests": [new_digest()]},
        {"digests": []},
        {"digests": [new_digest()] * 1001},
        {"digests": new_digest()},
        {"digest": "somebody@example.com"},
        {"digest": new_digest().upper()},
        {"digest": new_digest() + "\n"},
        {"digest": None, "digests": None},
        [],
    ],
    ids=[
        "nothing",
        "both",
        "no-digests",
        "too-many",
        "digests-that-are-one",
        "address",
        "capitals",
        "line-end",
        "nulls",
        "list",
    ],
)
async def test_refuses_what_is_not_a_question(ready: BloomService, body: Json) -> None:
    problem(await ready.http.post("/emails/check", json=body, headers=AUTHORIZATION), 422, "invalid_request")


async def test_is_behind_until_it_has_heard_from_user_service(service: BloomService) -> None:
    response = await service.check(new_digest())

    problem(response, 503, "behind")
    assert response.headers["Retry-After"] == "1"


async def test_is_behind_when_watermarks_stop_and_not_when_they_come_again(ready: BloomService) -> None:
    await ready.is_behind("s behind")

    await ready.users.say_watermark()

    await ready.answers()


async def test_is_behind_while_it_works_off_old_events(ready: BloomService) -> None:
    await ready.users.say_watermark(as_of=now() - timedelta(seconds=30))

    await ready.is_behind("30 s behind")


async def test_is_behind_at_once_when_the_broker_is_away(ready: BloomService) -> None:
    await ready.bus.stop()

    assert "broker" in problem(await ready.check(new_digest()), 503, "behind")["detail"]
    assert ok(await ready.http.get("/readyz"), 503)["missing"].keys() == {"broker"}


async def test_is_behind_under_a_key_that_there_is_no_filter_for(ready: BloomService) -> None:
    response = await ready.check(new_digest(), key_id="another")

    assert "no filter under the key of the question" in problem(response, 503, "behind")["detail"]


async def test_takes_a_question_that_names_no_key_for_one_under_the_first(ready: BloomService) -> None:
    known = new_digest()
    await ready.users.register(known)

    assert await ready.might_exist(known, new_digest(), key_id=None) == [True, False]


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    digests = [new_digest() for _ in range(30)]
    export = ExportStandIn()
    async with running_bloom_service(tmp_path, export) as service:
        await service.users.say_watermark()
        await service.answers()
        await service.users.register(*digests)
    asked = len(export.asked)

    async with running_bloom_service(tmp_path, export) as service:
        problem(await service.check(*digests), 503, "behind")
        await service.users.say_watermark()
        await service.answers()
        assert await service.might_exist(*digests) == [True] * 30
    assert len(export.asked) == asked


@pytest.mark.parametrize("loss", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
async def test_files_that_are_lost_or_damaged_are_made_anew(loss: Callable[[Path], object], tmp_path: Path) -> None:
    digest = new_digest()
    export = ExportStandIn()
    async with running_bloom_service(tmp_path, export) as service:
        await service.users.say_watermark()
        await service.answers()
        await service.users.register(digest)
    loss(tmp_path / "1" / "filter.snapshot")
    export.status = 503

    async with running_bloom_service(tmp_path, export) as service:
        await service.users.say_watermark()
        await service.is_behind("made anew")
        export.status = 200
        await service.answers()
        assert await service.might_exist(digest) == [True]


async def test_shows_its_metrics(ready: BloomService) -> None:
    await ready.users.register(new_digest(), new_digest())

    lines = (await ready.http.get("/metrics")).text.splitlines()

    assert {
        *("parley_bloom_members 2.0", "parley_bloom_fill 0.02", "parley_bloom_deleted_share 0.0"),
        *("parley_bloom_generation 1.0", "parley_bloom_ready_generations 1.0", "parley_bloom_behind 0.0"),
        *("parley_bloom_rebuilding 0.0", "parley_bloom_rebuild_accounts 0.0"),
    } <= set(lines)
    names = {line.split()[0] for line in lines}
    assert {"parley_bloom_estimated_error_rate", "parley_bloom_lag_seconds"} <= names
    assert 'parley_bloom_rebuilds_total{reason="missing"}' in names
