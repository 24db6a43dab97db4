import asyncio
from collections.abc import Sequence

import pytest

from messaging.backlog import Backlog
from messaging.bus import Delivery


class Settled(list[int]):
    async def __call__(self, receipts: Sequence[int]) -> None:
        self.extend(receipts)


def delivery(number: int) -> Delivery:
    return Delivery("exchange", "key", str(number).encode(), "type", str(number), "text/plain", {})


def filled(settled: Settled, count: int, max_length: int | None = None) -> Backlog[int]:
    backlog: Backlog[int] = Backlog(settled, max_length)
    for number in range(count):
        backlog.add(delivery(number), number)
    return backlog


def ids(deliveries: Sequence[Delivery]) -> list[int]:
    return [int(delivery.id) for delivery in deliveries]


async def test_what_is_settled_is_acknowledged_in_order_and_not_taken_again() -> None:
    settled = Settled()
    backlog = filled(settled, 5)

    assert ids(await backlog.take(3)) == [0, 1, 2]
    await backlog.settle(2)
    assert settled == [0, 1]
    await backlog.settle(1)

    assert ids(await backlog.take(3)) == [3, 4]
    assert settled == [0, 1, 2]


async def test_what_is_given_back_comes_first_again() -> None:
    backlog = filled(Settled(), 5)
    await backlog.take(4)
    await backlog.settle(1)

    backlog.give_back()

    assert ids(await backlog.take(10)) == [1, 2, 3, 4]


async def test_a_full_backlog_drops_the_oldest_that_is_not_in_hand() -> None:
    settled = Settled()
    backlog = filled(settled, 1, max_length=3)
    assert ids(await backlog.take(1)) == [0]

    for number in range(1, 6):
        backlog.add(delivery(number), number)
    await backlog.settle(1)

    assert settled == [0]
    assert ids(await backlog.take(10)) == [3, 4, 5]


async def test_taking_waits_for_something_to_arrive() -> None:
    backlog = filled(Settled(), 0)
    taking = asyncio.create_task(backlog.take(10))
    await asyncio.sleep(0)
    assert not taking.done()

    backlog.add(delivery(7), 7)

    assert ids(await taking) == [7]


async def test_a_closed_backlog_gives_nothing_more_and_wakes_who_waits() -> None:
    empty, full = filled(Settled(), 0), filled(Settled(), 3)
    taking = asyncio.create_task(empty.take(10))
    await asyncio.sleep(0)

    empty.close()
    full.close()

    assert await taking == []
    assert await full.take(10) == []


@pytest.mark.parametrize("closed", [True, False])
async def test_a_pause_ends_early_when_the_backlog_closes(closed: bool) -> None:
    backlog = filled(Settled(), 0)
    pause = asyncio.create_task(backlog.closes_within(60 if closed else 0.01))
    await asyncio.sleep(0)
    if closed:
        backlog.close()

    assert await pause is closed
