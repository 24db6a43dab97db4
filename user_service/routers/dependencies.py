"""What routes are given: the use cases, and who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from common.auth import CurrentUser
from user_service.models import User
from user_service.services.accounts import Accounts
from user_service.services.availability import Availability
from user_service.services.digest_export import DigestExport
from user_service.services.directory import Directory
from user_service.services.pace import Pace
from user_service.services.rate_limits import RateLimits
from user_service.services.sessions import Sessions
from user_service.services.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases; `app.state.services`."""

    accounts: Accounts
    sessions: Sessions
    directory: Directory
    availability: Availability
    digest_export: DigestExport
    signing_key: SigningKey
    rate_limits: RateLimits
    pace: Pace


async def _services(request: Request) -> Services:  # async: FastAPI runs others in a thread
    services: Services = request.app.state.services
    return services


UseCases = Annotated[Services, Depends(_services)]


async def _client_host(request: Request) -> str:
    return request.client.host if request.client else ""


ClientHost = Annotated[str, Depends(_client_host)]
"""The address that the request comes from, by the word of a trusted proxy if it came through one."""


async def _signed_in(claims: CurrentUser, services: UseCases) -> User:
    return await services.accounts.signed_in(claims)


SignedInUser = Annotated[User, Depends(_signed_in)]
"""The bearer of the access token. Elsewhere tokens are verified offline; here, where sessions are kept, a revoked one
counts at once."""
