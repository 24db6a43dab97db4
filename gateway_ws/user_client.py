"""What the gateway asks of user_service over HTTP, besides the signing keys."""

from collections.abc import Sequence
from uuid import UUID

import httpx
from pydantic import ValidationError

from common.tracing import current_traceparent
from contracts.internal_http import ActiveSessions, ActiveSessionsRequest

_TIMEOUT = httpx.Timeout(2.0, connect=1.0)


class UsersUnavailable(Exception):
    """user_service can't be reached, or has no answer now."""


class UserClient:
    """`client`'s base URL is user_service's."""

    def __init__(self, client: httpx.AsyncClient, service_token: str) -> None:
        self._client = client
        self._service_token = service_token

    async def active_sessions(self, session_ids: Sequence[UUID]) -> list[UUID]:
        """Those of up to 1,000 sessions that have not been revoked. Raises `UsersUnavailable`."""
        headers = {
            "Authorization": f"Bearer {self._service_token}",
            "Content-Type": "application/json",
            "traceparent": current_traceparent(),
        }
        body = ActiveSessionsRequest(session_ids=list(session_ids)).model_dump_json()
        try:
            response = await self._client.post(
                "/internal/v1/sessions/active", content=body, headers=headers, timeout=_TIMEOUT
            )
            response.raise_for_status()
            return ActiveSessions.model_validate_json(response.content, extra="ignore").active
        except (httpx.HTTPError, ValidationError) as error:
            raise UsersUnavailable(type(error).__name__) from error
