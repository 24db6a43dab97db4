"""What the gateway asks of chat_service over HTTP."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from common.tracing import current_traceparent
from contracts.fields import Contract
from contracts.internal_http import CatchUp, CatchUpRequest, Entries, EntriesRequest, RoomIds

_TIMEOUT = httpx.Timeout(5.0, connect=1.0)
_FIRST_RETRY_S = 0.1
_MAX_RETRY_S = 1.0
_PASSING = (502, 503, 504)

Answer = TypeVar("Answer", bound=Contract)


class ChatUnavailable(Exception):
    """chat_service can't be reached, or has no answer now. `may_pass`: it is worth while to ask again in a moment."""

    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class ChatClient:
    """`client`'s base URL is chat_service's. All methods raise `ChatUnavailable`, having tried again for `patience`
    seconds: of several replicas one may be restarting."""

    def __init__(self, client: httpx.AsyncClient, service_token: str, patience: float) -> None:
        self._client = client
        self._service_token = service_token
        self._patience = patience

    async def room_ids(self, user_id: UUID) -> list[UUID]:
        return (await self._ask(RoomIds, "GET", f"/internal/v1/users/{user_id}/rooms")).room_ids

    async def catch_up(self, user_id: UUID, resume: Mapping[UUID, int], limit: int) -> CatchUp:
        body = CatchUpRequest(resume=dict(resume), limit=limit).model_dump_json()
        return await self._ask(CatchUp, "POST", f"/internal/v1/users/{user_id}/catch_up", body)

    async def entries(self, after: Mapping[UUID, int], limit: int) -> Entries:
        body = EntriesRequest(after=dict(after), limit=limit).model_dump_json()
        return await self._ask(Entries, "POST", "/internal/v1/rooms/entries", body)

    async def missing(self) -> str | None:
        """What keeps chat_service from being asked, for `/readyz`."""
        try:
            response = await self._client.get("/healthz", timeout=1.0)
            response.raise_for_status()
        except httpx.HTTPError:
            return "chat_service can't be reached"
        return None

    async def _ask(self, answer: type[Answer], method: str, path: str, body: str | None = None) -> Answer:
        give_up_at = time.monotonic() + self._patience
        delay = _FIRST_RETRY_S
        while True:
            try:
                return await self._ask_once(answer, method, path, body)
            except ChatUnavailable as error:
                pause = delay * random.uniform(0.5, 1.0)
                if not error.may_pass or time.monotonic() + pause > give_up_at:
                    raise
            await asyncio.sleep(pause)
            delay = min(_MAX_RETRY_S, delay * 2)

    async def _ask_once(self, answer: type[Answer], method: str, path: str, body: str | None) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._service_token}",
            "Content-Type": "application/json",
            "traceparent": current_traceparent(),
        }
        try:
            response = await self._client.request(method, path, content=body, headers=headers, timeout=_TIMEOUT)
            response.raise_for_status()
            return answer.model_validate_json(response.content, extra="ignore")
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise ChatUnavailable(f"answered {status}", may_pass=status in _PASSING) from error
        except (httpx.HTTPError, ValidationError) as error:
            raise ChatUnavailable(type(error).__name__, may_pass=isinstance(error, httpx.TransportError)) from error
