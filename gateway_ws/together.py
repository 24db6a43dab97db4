"""Questions of one kind travel together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_FLIGHTS = 2
"""Requests at a time: while one answer is taken in, the next is made; and one that hangs is no wall."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[Question, Answer]):
    question: Question
    answer: asyncio.Future[Answer]


class Together(Generic[Question, Answer]):
    """Asks at once while hardly anything is in flight; what is wanted meanwhile is asked together in the next request.

    `ask` is given questions in the order in which they came, of up to `most` in weight or a single one. It answers them
    in that order: all, or some from the first on, and the others are asked again. What it raises reaches each of them;
    what `concerns_all` says so of, also everybody who waits: they would hardly fare better.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        most: int,
        weigh: Callable[[Question], int],
        concerns_all: Callable[[Exception], bool],
    ) -> None:
        self._ask = ask
        self._most = most
        self._weigh = weigh
        self._concerns_all = concerns_all
        self._line: deque[_Waiting[Question, Answer]] = deque()
        self._flights = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, question: Question) -> Answer:
        """Raises what `ask` does. Who is cancelled meanwhile costs the others nothing."""
        waiting: _Waiting[Question, Answer] = _Waiting(question, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        if self._flights < _FLIGHTS:
            self._flights += 1
            task = asyncio.create_task(self._fly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _fly(self) -> None:
        try:
            await self._ask_until_all_are_answered()
        finally:
            # not when the task is found to be done: whoever asks before that has to have another
            self._flights -= 1

    async def _ask_until_all_are_answered(self) -> None:
        while asked := self._take():
            try:
                answers = await self._ask([waiting.question for waiting in asked])
            except Exception as error:
                self._fail(asked, error)
                continue
            for waiting, answer in zip(asked, answers, strict=False):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
            self._line.extendleft(reversed(asked[len(answers) :]))

    def _take(self) -> list[_Waiting[Question, Answer]]:
        """From the line, without those who have gone."""
        taken: list[_Waiting[Question, Answer]] = []
        weight = 0
        while self._line:
            waiting = self._line[0]
            if not waiting.answer.done():
                weight += self._weigh(waiting.question)
                if taken and weight > self._most:
                    break
                taken.append(waiting)
            self._line.popleft()
        return taken

    def _fail(self, asked: list[_Waiting[Question, Answer]], error: Exception) -> None:
        concerned = asked
        if self._concerns_all(error):
            concerned = [*asked, *self._line]
            self._line.clear()
        for waiting in concerned:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
