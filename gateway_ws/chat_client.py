"""What the gateway asks of chat_service over HTTP."""

import asyncio
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
_RETRY_S = 0.1

Answer = TypeVar("Answer", bound=Contract)


class ChatUnavailable(Exception):
    """chat_service can't be reached, or has no answer now."""


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
        while True:
            try:
                return await self._ask_once(answer, method, path, body)
            except ChatUnavailable:
                if time.monotonic() + _RETRY_S > give_up_at:
                    raise
                await asyncio.sleep(_RETRY_S)

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
        except (httpx.HTTPError, ValidationError) as error:
            raise ChatUnavailable(type(error).__name__) from error
