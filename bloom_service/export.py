"""user_service's export: the digests of everybody who is registered, page by page."""

import asyncio
from uuid import UUID

import httpx

from common.tracing import current_traceparent
from contracts.internal_http import EmailDigests

PAGE = 20_000
_TIMEOUT_S = 30.0


class ExportUnavailable(Exception):
    """user_service gave no page: it is away, or does not have the key. The text says which."""


class Export:
    """`user_service` is a client whose base URL is that of user_service."""

    def __init__(self, user_service: httpx.AsyncClient, service_token: str) -> None:
        self._user_service = user_service
        self._headers = {"Authorization": f"Bearer {service_token}"}

    async def page(self, key_id: str, after: UUID | None) -> EmailDigests:
        """The digests under a key of those who come next after a user, or of the first. Raises `ExportUnavailable`."""
        parameters = {"key_id": key_id, "limit": str(PAGE)} | ({"after": str(after)} if after else {})
        headers = {**self._headers, "traceparent": current_traceparent()}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                # the timeout of a whole page is enough
                answer = await self._user_service.get(
                    "/internal/v1/emails/digests", params=parameters, headers=headers, timeout=None
                )
            answer.raise_for_status()
            return EmailDigests.model_validate_json(answer.content, extra="ignore")
        except httpx.HTTPStatusError as error:
            raise ExportUnavailable(f"user_service answers {error.response.status_code}") from error
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise ExportUnavailable(type(error).__name__) from error
