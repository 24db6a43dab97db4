"""What the single process is told. It has a default for everything."""

from pathlib import Path

from common.config import Networks
from common.config import Settings as CommonSettings
from common.logging import Format, Level


class Settings(CommonSettings):
    port: int = 8000
    data_dir: Path = Path("data")
    trusted_proxies: Networks = ""
    log_level: Level = "warning"
    log_format: Format = "console"
