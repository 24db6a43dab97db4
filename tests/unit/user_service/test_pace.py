"""What was found is shown after a whole number of steps."""

import asyncio
import time

import pytest

from tests.support.clock import Clock
from user_service.services.pace import STEP_S, Pace, sleep_exactly


class Steps:
    """A clock that stands still but for the steps that are slept through, and work that takes time on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._waiting: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)  # whoever works begins to
        self.clock.now += seconds
        for until, event in self._waiting:
            if until <= self.clock.now:
                event.set()
        for _ in range(5):  # whoever is done by now gets there
            await asyncio.sleep(0)

    async def work(self, seconds: float) -> str:
        done = asyncio.Event()
        self._waiting.append((self.clock.now + seconds, done))
        if seconds > 0:
            await done.wait()
        return "found"


@pytest.mark.parametrize(
    ("takes", "steps"),
    [(0.0, 1), (0.1 * STEP_S, 1), (0.9 * STEP_S, 1), (1.1 * STEP_S, 2), (1.9 * STEP_S, 2), (2.1 * STEP_S, 3)],
)
async def test_what_takes_a_little_longer_comes_at_the_same_moment(takes: float, steps: int) -> None:
    slept = Steps()

    assert await Pace(slept.sleep)(slept.work(takes)) == "found"

    assert slept.clock.now == pytest.approx(steps * STEP_S)


@pytest.mark.parametrize("error", [-0.01, 0.002])
async def test_a_sleep_ends_on_the_moment_though_the_timer_of_the_loop_does_not(
    monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(seconds + error))

    late: list[float] = []
    for _ in range(20):
        begun = time.perf_counter()
        await sleep_exactly(0.02)
        late.append(time.perf_counter() - begun - 0.02)

    assert 0 <= min(late) < abs(error)


async def test_what_is_raised_comes_no_sooner() -> None:
    slept = Steps()

    async def fail() -> None:
        raise ValueError("it went wrong")

    with pytest.raises(ValueError, match="it went wrong"):
        await Pace(slept.sleep)(fail())

    assert slept.clock.now == STEP_S


async def test_work_that_nobody_waits_for_any_more_is_ended() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asking = asyncio.create_task(Pace()(work()))
    await begun.wait()

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(ended.wait(), 5)
