"""Questions that come while others are in flight travel together."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from gateway_ws.together import Together


class Unanswered(Exception):
    pass


class Hopeless(Unanswered):
    """Whoever waits would fare no better."""


class Office:
    """Answers in its own time: each request once it is let go."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.serve_at_most: int | None = None
        self._outcomes: list[asyncio.Future[None]] = []

    async def ask(self, questions: Sequence[str]) -> list[str]:
        self.requests.append(list(questions))
        self._outcomes.append(outcome := asyncio.get_running_loop().create_future())
        await outcome
        return [question.upper() for question in questions[: self.serve_at_most]]

    async def let_go(self, number: int, error: Exception | None = None) -> None:
        if error is None:
            self._outcomes[number].set_result(None)
        else:
            self._outcomes[number].set_exception(error)
        await settle()


class Asking:
    """What is asked, each by a task of its own."""

    def __init__(self, office: Office, most: int = 100, weigh: Callable[[str], int] = lambda _: 1) -> None:
        self.together = Together(
            office.ask, most=most, weigh=weigh, concerns_all=lambda error: isinstance(error, Hopeless)
        )

    async def ask(self, *questions: str) -> list[asyncio.Task[str]]:
        """Returns when all that can be has been asked."""
        tasks = [asyncio.create_task(self.together.answer(question)) for question in questions]
        await settle()
        return tasks


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def office() -> Office:
    return Office()


async def fill(asking: Asking) -> list[asyncio.Task[str]]:
    """Have all flights taken."""
    return [*await asking.ask("first"), *await asking.ask("second")]


async def test_a_lone_question_is_asked_at_once(office: Office) -> None:
    (task,) = await Asking(office).ask("a")

    assert office.requests == [["a"]]
    await office.let_go(0)
    assert await task == "A"


async def test_one_that_hangs_is_no_wall(office: Office) -> None:
    asking = Asking(office)
    (hanging,) = await asking.ask("a")

    for number, question in enumerate("bcd", 1):
        (task,) = await asking.ask(question)
        await office.let_go(number)
        assert await task == question.upper()

    assert not hanging.done()
    await office.let_go(0)
    assert await hanging == "A"


async def test_who_asks_again_at_once_is_answered_again(office: Office) -> None:
    asking = Asking(office)
    await asking.ask("hanging")

    async def ask_twice() -> list[str]:
        return [await asking.together.answer(question) for question in "ab"]

    task = asyncio.create_task(ask_twice())
    await settle()
    await office.let_go(1)
    await office.let_go(2)

    assert await task == ["A", "B"]


async def test_what_comes_meanwhile_is_asked_together_in_the_order_in_which_it_came(office: Office) -> None:
    asking = Asking(office)
    before = await fill(asking)
    tasks = [task for question in "abc" for task in await asking.ask(question)]
    assert office.requests == [["first"], ["second"]]

    await office.let_go(0)
    assert office.requests[2:] == [["a", "b", "c"]]
    await office.let_go(1)
    await office.let_go(2)

    assert [await task for task in (*before, *tasks)] == ["FIRST", "SECOND", "A", "B", "C"]
    (later,) = await asking.ask("d")
    await office.let_go(3)
    assert await later == "D"


async def test_a_request_is_bounded_in_weight_but_for_a_single_question(office: Office) -> None:
    asking = Asking(office, most=4, weigh=len)
    await fill(asking)
    tasks = await asking.ask("aa", "bb", "c", "dddddd", "e")

    for number in range(6):
        await office.let_go(number)

    assert all(task.done() for task in tasks)
    assert office.requests[2:] == [["aa", "bb"], ["c"], ["dddddd"], ["e"]]


async def test_those_whom_an_answer_leaves_out_are_asked_about_again(office: Office) -> None:
    asking = Asking(office, most=3)
    before = await fill(asking)
    tasks = await asking.ask(*"abcd")
    office.serve_at_most = 1

    for number in range(6):
        await office.let_go(number)

    assert office.requests[2:] == [["a", "b", "c"], ["d"], ["b", "c"], ["c"]]
    assert [await task for task in (*before, *tasks)] == ["FIRST", "SECOND", *"ABCD"]


async def test_a_failure_reaches_each_who_was_in_the_request_and_nobody_else(office: Office) -> None:
    asking = Asking(office, most=2)
    await fill(asking)
    tasks = await asking.ask(*"abc")

    await office.let_go(0)
    await office.let_go(2, Unanswered())
    await office.let_go(3)

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unanswered, Unanswered, str]


async def test_a_failure_that_concerns_all_reaches_those_who_wait_as_well(office: Office) -> None:
    asking = Asking(office, most=2)
    _, second = await fill(asking)
    tasks = await asking.ask(*"abc")

    await office.let_go(0, Hopeless())

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Hopeless] * 3
    assert office.requests == [["first"], ["second"]]
    await office.let_go(1)
    assert await second == "SECOND"


async def test_after_a_failure_questions_are_asked_as_before(office: Office) -> None:
    asking = Asking(office)
    (failing,) = await asking.ask("a")
    await office.let_go(0, Hopeless())
    with pytest.raises(Hopeless):
        await failing

    (task,) = await asking.ask("b")
    await office.let_go(1)

    assert await task == "B"


async def test_who_is_cancelled_in_the_line_is_not_asked_about(office: Office) -> None:
    asking = Asking(office)
    await fill(asking)
    staying, leaving = await asking.ask("a", "b")

    leaving.cancel()
    await settle()
    await office.let_go(0)
    await office.let_go(2)

    assert office.requests[2:] == [["a"]]
    assert await staying == "A"


@pytest.mark.parametrize("error", [None, Unanswered(), Hopeless()])
async def test_who_is_cancelled_in_flight_does_the_others_no_harm(office: Office, error: Exception | None) -> None:
    asking = Asking(office)
    await fill(asking)
    staying, leaving = await asking.ask("a", "b")
    await office.let_go(0)

    leaving.cancel()
    await settle()
    await office.let_go(2, error)

    (outcome,) = await asyncio.gather(staying, return_exceptions=True)
    assert outcome == ("A" if error is None else error)
    assert leaving.cancelled()
