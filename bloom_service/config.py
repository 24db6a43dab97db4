"""What bloom_service is told."""

from pathlib import Path

from pydantic import Field, SecretStr

from common.config import Secret
from common.config import Settings as CommonSettings


class Settings(CommonSettings):
    """What the application needs, however it is composed. The size is that of new generations: one that is there keeps
    its own."""

    port: int = 8004
    service_token: Secret
    data_dir: Path
    bloom_capacity: int = Field(default=1_000_000, gt=0)
    bloom_error_rate: float = Field(default=0.001, gt=0, lt=1)


class ProcessSettings(Settings):
    """What it needs besides when it runs as a process of its own. Without `replica` it is the first that nobody is."""

    broker_url: SecretStr
    user_service_url: str
    replica: int | None = Field(default=None, ge=1)
