"""What chat_service is told."""

from pydantic import SecretStr

from common.config import Secret
from common.config import Settings as CommonSettings


class Settings(CommonSettings):
    """What the application needs, however it is composed.

    `database_patience` is how long a request waits for a database that is restarting, in seconds.
    """

    port: int = 8002
    database_url: SecretStr
    database_patience: float = 5.0
    service_token: Secret


class ProcessSettings(Settings):
    """What it needs besides when it runs as a process of its own."""

    broker_url: SecretStr
    user_service_url: str
