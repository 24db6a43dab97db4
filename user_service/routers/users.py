"""`/api/v1/users`"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from common.database_errors import DatabaseRoute
from common.errors import NotFound, RateLimited, Unavailable
from common.openapi import problems
from common.text import Text
from user_service.models import User
from user_service.routers.dependencies import ClientHost, SignedInUser, UseCases
from user_service.schemas import (
    Availability,
    Deletion,
    EmailQuestion,
    OwnUser,
    ProfileChange,
    PublicUser,
    Registration,
    UsernameQuestion,
    UserPage,
)
from user_service.services.accounts import EmailTaken, UsernameTaken, WrongPassword

router = APIRouter(route_class=DatabaseRoute, prefix="/api/v1/users", tags=["users"], responses=problems(Unavailable))

Prefix = Annotated[Text, StringConstraints(max_length=64)]
Cursor = Annotated[str | SkipJsonSchema[None], Field(max_length=44, json_schema_extra={"format": "cursor"})]


_LOG_IN = {
    "operationId": "log_in",
    "requestBody": {"username": "$response.body#/username", "password": "$request.body#/password"},
}


@router.post(
    "",
    status_code=201,
    response_model=OwnUser,
    responses=problems(EmailTaken, UsernameTaken, RateLimited) | {201: {"links": {"log_in": _LOG_IN}}},
)
async def register(body: Registration, host: ClientHost, services: UseCases) -> User:
    services.rate_limits.register(host)
    return await services.accounts.register(
        email=body.email,
        username=body.username,
        password=body.password.get_secret_value(),
        display_name=body.display_name or body.username,
    )


@router.post("/availability", responses=problems(RateLimited))
async def check_availability(
    body: EmailQuestion | UsernameQuestion, host: ClientHost, services: UseCases
) -> Availability:
    services.rate_limits.check_availability(host)
    match body:
        case EmailQuestion(email=email):
            # so that its time does not tell whether the database was asked as well
            return Availability(available=await services.pace(services.availability.of_email(email)))
        case UsernameQuestion(username=username):
            return Availability(available=await services.availability.of_username(username))


@router.get("/me", response_model=OwnUser)
async def show_own_user(user: SignedInUser) -> User:
    return user


@router.patch("/me", response_model=OwnUser)
async def change_profile(body: ProfileChange, user: SignedInUser, services: UseCases) -> User:
    if body.display_name is None:
        return user
    return await services.accounts.rename(user.id, body.display_name)


@router.delete("/me", status_code=204, responses=problems(WrongPassword))
async def delete_account(body: Deletion, user: SignedInUser, services: UseCases) -> None:
    await services.accounts.delete(user, body.password.get_secret_value())


@router.get("")
async def search_users(
    _user: SignedInUser,
    services: UseCases,
    q: Prefix = "",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> UserPage:
    users, following = await services.directory.search(q, cursor, limit)
    return UserPage(items=[PublicUser.model_validate(user) for user in users], next=following)


@router.get("/{user_id}", response_model=PublicUser, responses=problems(NotFound))
async def show_user(user_id: UUID, _user: SignedInUser, services: UseCases) -> User:
    return await services.directory.find(user_id)
