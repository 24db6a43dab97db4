"""What user_service is told."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from common.config import Networks, Secret
from common.config import Settings as CommonSettings

_SEED_BYTES = 32


def decode_seed(text: str) -> bytes:
    """The 32-byte Ed25519 seed in base64url, padded or not. Raises ValueError."""
    try:
        seed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise ValueError(f"must be {_SEED_BYTES} bytes in base64url")
    return seed


def _seed(secret: SecretStr) -> SecretStr:
    decode_seed(secret.get_secret_value())
    return secret


class Settings(CommonSettings):
    """What the application needs, however it is composed.

    `email_digest_second_key` is there while one key takes the place of another, before the change and after it.
    `database_patience` is how long a request waits for a database that is restarting, in seconds.

    What may be done so many times per hour may be so many times at once, from one address; `failed_logins` are about
    one name, from one network.
    """

    port: int = 8001
    database_url: SecretStr
    database_patience: float = 5.0
    service_token: Secret
    availability_checks_per_hour: int = Field(default=1000, gt=0)
    registrations_per_hour: int = Field(default=1000, gt=0)
    logins_per_hour: int = Field(default=1000, gt=0)
    failed_logins_per_hour: int = Field(default=20, gt=0)
    signing_key: Annotated[Secret, AfterValidator(_seed)]
    email_digest_key: Secret
    email_digest_second_key: Secret | None = None

    @field_validator("email_digest_second_key")
    @classmethod
    def _is_another(cls, second_key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if second_key is not None and second_key == info.data.get("email_digest_key"):
            raise ValueError("is the same as PARLEY_EMAIL_DIGEST_KEY")
        return second_key


class ProcessSettings(Settings):
    """What it needs besides when it runs as a process of its own."""

    broker_url: SecretStr
    bloom_service_url: str
    trusted_proxies: Networks = ""
