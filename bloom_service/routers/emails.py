"""`/emails`: for the other services, never routed by the proxy."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from bloom_service.schemas import Rebuilt, Stats
from bloom_service.services.emails import Behind, Emails
from common.auth import require_service
from common.openapi import problems
from contracts.internal_http import EmailAnswer, EmailCheck

router = APIRouter(prefix="/emails", tags=["emails"], dependencies=[Depends(require_service)])


async def _emails(request: Request) -> Emails:
    # not in a thread, for which each request would have to wait
    emails: Emails = request.app.state.emails
    return emails


UseCases = Annotated[Emails, Depends(_emails)]


_EXACTLY_ONE = {
    "oneOf": [
        {"required": ["digest"], "properties": {"digest": {"type": "string"}}},
        {"required": ["digests"], "properties": {"digests": {"type": "array"}}},
    ]
}


@router.post(
    "/check",
    responses=problems(Behind),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _EXACTLY_ONE}}}},
)
async def check(body: EmailCheck, emails: UseCases) -> EmailAnswer:
    digests = [body.digest] if body.digest is not None else body.digests or []
    return EmailAnswer(might_exist=emails.check(digests, body.key_id))


@router.get("/stats")
async def show_stats(emails: UseCases) -> Stats:
    return emails.stats()


@router.post("/rebuild", status_code=202)
async def rebuild(emails: UseCases) -> Rebuilt:
    return Rebuilt(key_ids=emails.command_rebuild())
