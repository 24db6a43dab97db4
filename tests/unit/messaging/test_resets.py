import asyncio

from messaging.resets import Resets
from tests.support.eventually import eventually


class Listener:
    def __init__(self) -> None:
        self.told = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails = False

    async def on_reset(self) -> None:
        self.told += 1
        await self.go_on.wait()
        if self.fails:
            raise RuntimeError("cannot")

    async def was_told(self, times: int) -> None:
        async def probe() -> bool:
            return self.told == times

        await eventually(probe)


async def test_the_first_queue_is_no_reset_and_every_later_one_is() -> None:
    listener = Listener()
    resets = Resets("listener", listener.on_reset)

    resets.queue_made()
    await asyncio.sleep(0)
    assert listener.told == 0
    resets.queue_made()
    await listener.was_told(1)
    resets.queue_made()
    await listener.was_told(2)


async def test_resets_during_a_reset_are_one_more_reset_after_it() -> None:
    listener = Listener()
    resets = Resets("listener", listener.on_reset)
    listener.go_on.clear()
    resets.queue_made()
    resets.queue_made()
    await listener.was_told(1)

    resets.queue_made()
    resets.queue_made()
    await asyncio.sleep(0)
    assert listener.told == 1
    listener.go_on.set()

    await listener.was_told(2)


async def test_a_reset_that_fails_does_not_keep_the_next_from_being_told() -> None:
    listener = Listener()
    resets = Resets("listener", listener.on_reset)
    listener.fails = True
    for _ in range(2):
        resets.queue_made()
    await listener.was_told(1)
    await asyncio.sleep(0)

    resets.queue_made()

    await listener.was_told(2)
    await resets.stop()


async def test_stopping_ends_a_reset_under_way() -> None:
    listener = Listener()
    resets = Resets("listener", listener.on_reset)
    listener.go_on.clear()
    for _ in range(2):
        resets.queue_made()
    await listener.was_told(1)

    async with asyncio.timeout(5):
        await resets.stop()
