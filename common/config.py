"""Settings: environment variables with the prefix PARLEY_, read once, in `__main__`."""

import sys
from ipaddress import ip_network
from typing import Annotated, TypeVar

from pydantic import AfterValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.logging import Format, Level

_PLACEHOLDERS = ("change", "replace", "secret", "password", "example", "placeholder", "todo", "xxxxxx")
_MIN_SECRET_LENGTH = 16


def _real_secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value().lower()
    if len(value) < _MIN_SECRET_LENGTH:
        raise ValueError(f"a secret needs at least {_MIN_SECRET_LENGTH} characters")
    if value.startswith(_PLACEHOLDERS):
        raise ValueError("this is a placeholder, not a secret")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_real_secret)]


def _networks(text: str) -> str:
    for part in text.split(",") if text else ():
        ip_network(part.strip())  # raises ValueError, which says what is wrong with it
    return text


Networks = Annotated[str, AfterValidator(_networks)]
"""Addresses and networks (`192.0.2.1, 2001:db8::/32`), separated by commas; empty for none."""


class Settings(BaseSettings):
    """What every service is told. A service's `config.py` adds its own."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_", frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int
    log_level: Level = "info"
    log_format: Format = "json"


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load_settings(settings_type: type[AnySettings]) -> AnySettings:
    """The settings; or, where one is missing or wrong, one line on standard error and the end, with exit code 2."""
    try:
        return settings_type()
    except ValidationError as error:
        faults = [f"PARLEY_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()]
        sys.stderr.write(f"Wrong settings: {'; '.join(faults)}\n")
        raise SystemExit(2) from None
