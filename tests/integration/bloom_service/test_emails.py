"""What other services ask over HTTP."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from common.ids import now
from tests.support.bloom_service import (
    AUTHORIZATION,
    BloomService,
    deleted,
    message,
    new_digest,
    registered,
    running_bloom_service,
)
from tests.support.shapes import Json, ok, problem


async def test_knows_who_registered_and_nobody_else(complete: BloomService) -> None:
    known = [new_digest() for _ in range(50)]
    strangers = [new_digest() for _ in range(50)]
    await complete.users.register(*known)

    assert await complete.might_exist(*known) == [True] * 50
    # each of them is called known once in a thousand times
    assert sum(await complete.might_exist(*strangers)) <= 2


async def test_answers_for_one_digest_as_for_many(complete: BloomService) -> None:
    known = new_digest()
    await complete.users.register(known)

    for digest, answer in ((known, True), (new_digest(), False)):
        response = await complete.http.post("/emails/check", json={"digest": digest}, headers=AUTHORIZATION)
        assert ok(response) == {"might_exist": [answer]}


async def test_tells_how_it_is(complete: BloomService) -> None:
    digests = [new_digest() for _ in range(120)]
    await complete.users.register(*digests)
    await complete.users.register(digests[0])
    last = message(deleted(digests[1]))
    await complete.users.publish(last)

    stats = await complete.stats()

    assert stats.keys() == {
        *("generation", "count", "deleted", "capacity", "target_error_rate"),
        *("estimated_error_rate", "size_bytes", "last_event_id"),
    }
    # a new digest may seem to be there already, once in a thousand times
    assert 118 <= stats["count"] <= 120
    assert (stats["deleted"], stats["generation"], stats["last_event_id"]) == (1, 1, last.id)
    assert (stats["capacity"], stats["target_error_rate"]) == (100, 0.001)
    assert 0 < stats["estimated_error_rate"] < 0.002
    assert stats["size_bytes"] == 2 * 180  # two filters by now


async def test_still_knows_a_deleted_email(complete: BloomService) -> None:
    digest = new_digest()
    await complete.users.publish(message(registered(digest)), message(deleted(digest)))

    assert await complete.might_exist(digest) == [True]


@pytest.mark.parametrize("path", ["/emails/check", "/emails/stats"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe9"}])
async def test_answers_services_alone(service: BloomService, path: str, headers: dict[str, str]) -> None:
    method = "POST" if path.endswith("check") else "GET"
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
async def test_refuses_what_is_not_a_question(complete: BloomService, body: Json) -> None:
    problem(await complete.http.post("/emails/check", json=body, headers=AUTHORIZATION), 422, "invalid_request")


async def test_is_behind_until_it_has_heard_from_user_service(service: BloomService) -> None:
    response = await service.check(new_digest())

    problem(response, 503, "behind")
    assert response.headers["Retry-After"] == "1"


async def test_is_behind_when_watermarks_stop_and_not_when_they_come_again(complete: BloomService) -> None:
    assert "s behind" in await complete.is_behind()

    await complete.users.say_watermark()

    await complete.answers()


async def test_is_behind_while_it_works_off_old_events(complete: BloomService) -> None:
    await complete.users.say_watermark(as_of=now() - timedelta(seconds=30))

    assert "30 s behind" in await complete.is_behind()


async def test_is_behind_at_once_when_the_broker_is_away(complete: BloomService) -> None:
    await complete.bus.stop()

    assert "broker" in problem(await complete.check(new_digest()), 503, "behind")["detail"]
    assert ok(await complete.http.get("/readyz"), 503)["missing"].keys() == {"broker"}


async def test_is_behind_for_good_if_it_was_not_there_from_the_beginning(service: BloomService) -> None:
    digest = new_digest()
    await service.users.say_watermark()
    await service.users.register(digest)
    await service.users.say_watermark()

    assert "does not know all accounts" in await service.is_behind()
    assert (await service.stats())["count"] == 1


async def test_counts_from_when_nobody_is_there_again(service: BloomService) -> None:
    await service.users.register(new_digest())
    await service.users.say_watermark(nobody=True)

    await service.answers()


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    digests = [new_digest() for _ in range(30)]
    async with running_bloom_service(tmp_path) as service:
        await service.users.say_watermark(nobody=True)
        await service.users.register(*digests)

    async with running_bloom_service(tmp_path) as service:
        problem(await service.check(*digests), 503, "behind")
        await service.users.say_watermark()
        await service.answers()
        assert await service.might_exist(*digests) == [True] * 30


async def test_a_lost_folder_never_makes_a_wrong_no(tmp_path: Path) -> None:
    async with running_bloom_service(tmp_path / "lost") as service:
        await service.users.say_watermark(nobody=True)
        await service.users.register(new_digest())

    async with running_bloom_service(tmp_path / "new") as service:
        await service.users.say_watermark()
        assert "does not know all accounts" in await service.is_behind()


async def test_shows_its_metrics(complete: BloomService) -> None:
    await complete.users.register(new_digest(), new_digest())

    lines = (await complete.http.get("/metrics")).text.splitlines()

    assert {"parley_bloom_members 2.0", "parley_bloom_behind 0.0", "parley_bloom_complete 1.0"} <= set(lines)
    names = {line.split()[0] for line in lines}
    assert {"parley_bloom_fill", "parley_bloom_estimated_error_rate", "parley_bloom_lag_seconds"} <= names
