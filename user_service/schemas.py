"""Bodies of requests and responses."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from common.text import DisplayName
from contracts.fields import Timestamp
from user_service.services.emails import normalized_email
from user_service.services.names import USERNAME

Email = Annotated[
    str,
    StringConstraints(max_length=1000),
    AfterValidator(normalized_email),
    Field(json_schema_extra={"format": "idn-email"}),
]
Username = Annotated[str, StringConstraints(pattern=f"^{USERNAME.pattern}$")]

NewPassword = Annotated[SecretStr, Field(min_length=8, max_length=256)]


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Response(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, json_schema_serialization_defaults_required=True)


class Registration(Request):
    """`display_name` is the username if it is left out."""

    email: Email
    username: Username
    password: NewPassword
    display_name: DisplayName | None = None


class EmailQuestion(Request):
    email: Email


class UsernameQuestion(Request):
    username: Username


class Availability(Response):
    available: bool


class ProfileChange(Request):
    display_name: DisplayName | None = None


class Deletion(Request):
    password: SecretStr


class OwnUser(Response):
    """A user as they see themselves."""

    id: UUID
    email: str
    username: str
    display_name: str
    created_at: Timestamp


class PublicUser(Response):
    """A user as others see them."""

    id: UUID
    username: str
    display_name: str


class UserPage(Response):
    """`next` is the `cursor` of the page after this one, null on the last."""

    items: list[PublicUser]
    next: str | None


class PasswordGrant(BaseModel):
    """RFC 6749, section 4.3.2; what it does not name is passed over (section 3.2). `username` may be an email."""

    grant_type: Literal["password"] | SkipJsonSchema[None] = None
    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


class RefreshTokenBody(Request):
    refresh_token: SecretStr


class TokenPair(Response):
    """`expires_in` is the access token's lifetime in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    refresh_token: str


class Key(Response):
    """An Ed25519 public key as a JWK (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class KeySet(Response):
    """A JWK set (RFC 7517): whatever was signed with an access token's `kid` is verified with the key of that name."""

    keys: list[Key]
