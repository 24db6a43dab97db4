"""Many writers of one room, by every way in."""

import asyncio
from itertools import groupby

from contracts.messages import RoomEntry
from tests.support.chat_service import ChatService, send
from tests.support.client import User
from tests.support.shapes import Json, ok

WRITERS = 50
EACH = 4


async def test_a_log_is_dense_and_keeps_each_senders_order_under_many_writers(
    service: ChatService, alice: User
) -> None:
    room = await alice.create_room("public")
    writers = [service.newcomer() for _ in range(WRITERS)]

    async def by_http(user: User) -> None:
        ok(await user.post(f"/rooms/{room['id']}/join"))
        for number in range(EACH):
            ok(await user.send(room["id"], f"{number}"), 201)

    async def by_socket(user: User) -> None:
        ok(await user.post(f"/rooms/{room['id']}/join"))
        await service.command(*(send(room, user, f"{number}") for number in range(EACH)))

    async def by_both(user: User) -> None:
        ok(await user.post(f"/rooms/{room['id']}/join"))
        for number in range(EACH):
            if number % 2:
                ok(await user.send(room["id"], f"{number}"), 201)
            else:
                await service.command(send(room, user, f"{number}"))

    ways = (by_http, by_socket, by_both)
    await asyncio.gather(*(ways[number % 3](user) for number, user in enumerate(writers)))

    log = await alice.log(room["id"])
    assert [event["seq"] for event in log] == list(range(1, 1 + 1 + WRITERS * (1 + EACH)))
    posted = sorted(
        (event for event in log if event["kind"] == "message.posted"), key=lambda event: str(event["actor_id"])
    )
    texts = {
        user_id: [event["data"]["text"] for event in events]
        for user_id, events in groupby(posted, key=lambda event: str(event["actor_id"]))
    }
    assert texts == {user.id: [str(number) for number in range(EACH)] for user in writers}
    assert_state(await alice.room(room["id"]), log)
    heard = await service.hear(RoomEntry, len(log))
    assert sorted(entry.seq for entry in heard) == [event["seq"] for event in log]


def assert_state(room: Json, log: list[Json]) -> None:
    """The room's own row says what its log says."""
    assert room["head"] == len(log)
    assert room["member_count"] == 1 + WRITERS
    assert room["unread"] == WRITERS * EACH
