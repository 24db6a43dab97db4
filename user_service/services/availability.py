"""Whether an email or username is free. A hint for a form: the unique index decides at registration."""

import asyncio

import httpx
import structlog
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import select

from common.database import Database
from common.tracing import current_traceparent
from contracts.internal_http import EmailAnswer, EmailCheck
from user_service.models import User
from user_service.services.circuit import CircuitBreaker
from user_service.services.emails import EmailDigests
from user_service.services.names import canonical, is_reserved

ANSWERS = Counter("parley_email_availability_answers", "Who answered whether an email is available", ["by"])

_FILTER_TIMEOUT_S = 0.05

log = structlog.get_logger(__name__)


class FilterUnavailable(Exception):
    """bloom_service gave no answer to rely on: away, late, or behind with its events."""


class EmailFilter:
    """bloom_service's filter of registered emails. Not asked while it has not been answering."""

    def __init__(self, bloom: httpx.AsyncClient, service_token: str, breaker: CircuitBreaker) -> None:
        self._bloom = bloom
        self._service_token = service_token
        self._breaker = breaker

    async def might_exist(self, digest: str, key_id: str) -> bool:
        """By its digest under the key of that id. False is certain. Raises `FilterUnavailable`, within 50 ms."""
        if not self._breaker.allows():
            raise FilterUnavailable("circuit open")
        try:
            async with asyncio.timeout(_FILTER_TIMEOUT_S):
                response = await self._bloom.post(
                    "/emails/check",
                    content=EmailCheck(key_id=key_id, digest=digest).model_dump_json(exclude_none=True),
                    headers={
                        "Authorization": f"Bearer {self._service_token}",
                        "Content-Type": "application/json",
                        "traceparent": current_traceparent(),
                    },
                )
            response.raise_for_status()
            [answer] = EmailAnswer.model_validate_json(response.content, extra="ignore").might_exist
        except (httpx.HTTPError, TimeoutError, ValidationError, ValueError) as error:
            self._breaker.failed()
            raise FilterUnavailable(type(error).__name__) from error
        self._breaker.succeeded()
        return answer


class Availability:
    def __init__(self, database: Database, digests: EmailDigests, email_filter: EmailFilter) -> None:
        self._database = database
        self._digests = digests
        self._email_filter = email_filter

    async def of_email(self, email: str) -> bool:
        """Asks the filter first, and the database only on "maybe" or when the filter can't say."""
        email_canonical = canonical(email)
        key = self._digests.first
        try:
            if not await self._email_filter.might_exist(key.digest(email_canonical).hex(), key.id):
                ANSWERS.labels("filter").inc()
                return True
            ANSWERS.labels("database").inc()
        except FilterUnavailable as error:
            ANSWERS.labels("database_alone").inc()
            log.info("email_filter_unavailable", reason=str(error))
        async with self._database.read() as session:
            return await session.scalar(select(User.id).where(User.email_canonical == email_canonical)) is None

    async def of_username(self, username: str) -> bool:
        if is_reserved(username):
            return False
        async with self._database.read() as session:
            return await session.scalar(select(User.id).where(User.username_canonical == canonical(username))) is None
