"""What the gateway asks of chat_service over HTTP."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from common.tracing import current_traceparent
from contracts.fields import Contract
from contracts.internal_http import (
    Asker,
    CatchUps,
    CatchUpsRequest,
    Entries,
    EntriesRequest,
    Question,
    RoomsOfUsers,
    RoomsOfUsersRequest,
)
from gateway_ws.caught_up import Answer, CaughtUp
from gateway_ws.together import Together

_TIMEOUT = httpx.Timeout(5.0, connect=1.0)
_FIRST_RETRY_S = 0.1
_MAX_RETRY_S = 1.0
_PASSING = (502, 503, 504)

_USERS_AT_ONCE = 100
_RESUME_POINTS_AT_ONCE = 1_000
"""In a request about several users, which then has 60 KB; a single one's `hello` may have named a few more."""

Got = TypeVar("Got")
Body = TypeVar("Body", bound=Contract)


class ChatUnavailable(Exception):
    """chat_service can't be reached, or has no answer now. `may_pass`: it is worth while to ask again in a moment."""

    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True)
class _ToCatchUp:
    user_id: UUID
    resume: Mapping[UUID, int]
    limit: int

    @property
    def weight(self) -> int:
        """In resume points. Everybody counts as several, so that a request has a bounded number of users as well."""
        return max(len(self.resume), _RESUME_POINTS_AT_ONCE // _USERS_AT_ONCE)


class ChatClient:
    """`client`'s base URL is chat_service's. All methods raise `ChatUnavailable`, having tried again for `patience`
    seconds: of several replicas one may be restarting.

    What is asked about a user travels with what is asked about others meanwhile.
    """

    def __init__(self, client: httpx.AsyncClient, service_token: str, patience: float) -> None:
        self._client = client
        self._service_token = service_token
        self._patience = patience
        self._room_ids = Together(self._room_ids_of, most=_USERS_AT_ONCE, weigh=lambda _: 1, concerns_all=_may_pass)
        self._catch_ups = Together(
            self._catch_up_all, most=_RESUME_POINTS_AT_ONCE, weigh=lambda asker: asker.weight, concerns_all=_may_pass
        )

    async def room_ids(self, user_id: UUID) -> list[UUID]:
        return await self._patiently(partial(self._room_ids.answer, user_id))

    async def catch_up(self, user_id: UUID, resume: Mapping[UUID, int], limit: int) -> CaughtUp:
        """`resume` names the last seq seen per room; a room it does not name starts at its head. `limit` bounds the
        entries replayed per room: the last ones."""
        return await self._patiently(partial(self._catch_ups.answer, _ToCatchUp(user_id, resume, limit)))

    async def entries(self, after: Mapping[UUID, int], limit: int) -> Entries:
        question = EntriesRequest(after=dict(after), limit=limit)
        return await self._patiently(partial(self._ask, "/internal/v1/rooms/entries", question, Entries))

    async def missing(self) -> str | None:
        """What keeps chat_service from being asked, for `/readyz`."""
        try:
            response = await self._client.get("/healthz", timeout=1.0)
            response.raise_for_status()
        except httpx.HTTPError:
            return "chat_service can't be reached"
        return None

    async def _room_ids_of(self, user_ids: Sequence[UUID]) -> list[list[UUID]]:
        question = RoomsOfUsersRequest(user_ids=list(user_ids))
        found = await self._ask("/internal/v1/users/rooms", question, RoomsOfUsers)
        return [found.room_ids.get(user_id, []) for user_id in user_ids]

    async def _catch_up_all(self, asked: Sequence[_ToCatchUp]) -> list[CaughtUp]:
        question = CatchUpsRequest(
            askers=[Asker(user_id=one.user_id, resume=dict(one.resume)) for one in asked],
            limit=max(one.limit for one in asked),
        )
        answer = Answer(await self._ask("/internal/v1/users/catch_up", question, CatchUps))
        return [answer.to(number, one.resume, one.limit) for number, one in enumerate(asked[: len(answer)])]

    async def _patiently(self, ask: Callable[[], Awaitable[Got]]) -> Got:
        give_up_at = time.monotonic() + self._patience
        delay = _FIRST_RETRY_S
        while True:
            try:
                return await ask()
            except ChatUnavailable as error:
                pause = delay * random.uniform(0.5, 1.0)
                if not error.may_pass or time.monotonic() + pause > give_up_at:
                    raise
            await asyncio.sleep(pause)
            delay = min(_MAX_RETRY_S, delay * 2)

    async def _ask(self, path: str, question: Question, answer: type[Body]) -> Body:
        headers = {
            "Authorization": f"Bearer {self._service_token}",
            "Content-Type": "application/json",
            "traceparent": current_traceparent(),
        }
        try:
            response = await self._client.post(
                path, content=question.model_dump_json(), headers=headers, timeout=_TIMEOUT
            )
            response.raise_for_status()
            return answer.model_validate_json(response.content, extra="ignore")
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise ChatUnavailable(f"answered {status}", may_pass=status in _PASSING) from error
        except (httpx.HTTPError, ValidationError) as error:
            raise ChatUnavailable(type(error).__name__, may_pass=isinstance(error, httpx.TransportError)) from error


def _may_pass(error: Exception) -> bool:
    return isinstance(error, ChatUnavailable) and error.may_pass
