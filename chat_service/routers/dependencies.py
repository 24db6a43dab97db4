"""What routes are given: the use cases, and parameters that several of them have."""

import base64
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator, WithJsonSchema

from chat_service.services.logs import Logs
from chat_service.services.members import Members
from chat_service.services.messages import Messages
from chat_service.services.moderation import Moderation
from chat_service.services.rooms import Rooms
from chat_service.services.search import Search


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases; `app.state.services`."""

    rooms: Rooms
    members: Members
    moderation: Moderation
    messages: Messages
    logs: Logs
    search: Search


async def _services(request: Request) -> Services:  # async: FastAPI runs others in a thread
    services: Services = request.app.state.services
    return services


UseCases = Annotated[Services, Depends(_services)]

Limit = Annotated[int, Query(ge=1, le=200)]


def _decode(cursor: object) -> object:
    if not isinstance(cursor, str):
        return cursor
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except ValueError:
        raise ValueError("not a cursor that this call gave out") from None


Cursor = Annotated[
    UUID | None, BeforeValidator(_decode), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"})
]
"""The `next` of the page before: opaque to clients."""


def encode_cursor(last: UUID | None) -> str | None:
    return None if last is None else base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()
