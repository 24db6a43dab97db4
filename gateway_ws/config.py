"""What gateway_ws is told."""

from pydantic import Field, SecretStr

from common.config import Secret
from common.config import Settings as CommonSettings


class Settings(CommonSettings):
    """What the application needs, however it is composed. Times are in seconds.

    `max_unsent_bytes` bounds what waits for one connection; passing news is dropped from half of that on, presence from
    a quarter. `max_stall` is how long a connection's socket may take nothing at all. `broker_patience` is how long
    commands wait for a broker that is away, `answer_patience` how long for their answer before they are sent once more,
    `command_timeout` before they are given up, and `chat_patience` how long chat_service is asked again that does not
    answer. `replay_limit` bounds the entries replayed per room on a resume.
    Every `presence_interval` gateways ask one another who is online: a killed one's users go offline after two and a
    half of it and `presence_linger`, for which any user who has gone still counts as online.
    """

    port: int = 8003
    service_token: Secret
    hello_timeout: float = 10.0
    frames_per_second: float = Field(default=50.0, gt=0)
    frames_burst: int = Field(default=200, gt=0)
    max_refused_frames: int = Field(default=100, gt=0)
    max_unsent_bytes: int = Field(default=1024 * 1024, gt=0)
    max_stall: float = 30.0
    answer_patience: float = 5.0
    command_timeout: float = 30.0
    broker_patience: float = 20.0
    chat_patience: float = 10.0
    token_warning: float = 60.0
    replay_limit: int = Field(default=200, ge=1, le=1000)
    hole_patience: float = 0.05
    sweep_interval: float = 10.0
    presence_interval: float = Field(default=10.0, gt=0)
    presence_linger: float = Field(default=2.0, ge=0)


class ProcessSettings(Settings):
    """What it needs besides when it runs as a process of its own."""

    broker_url: SecretStr
    chat_service_url: str
    user_service_url: str
