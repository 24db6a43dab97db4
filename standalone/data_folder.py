"""The folder in which everything is kept."""

import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from pydantic import SecretStr

_SECRET_BYTES = 32


class DataFolder:
    """An absolute path, and what stands there. The folder exists."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def database_url(self, service: str) -> SecretStr:
        return SecretStr(f"sqlite+aiosqlite:///{self.path / service}.db")

    def secret(self, name: str) -> SecretStr:
        """The secret of that name, 32 random bytes in base64url: made at the first call, the same ever after."""
        file = self.path / name
        if not file.exists():
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writer:
                writer.write(urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("="))
                writer.flush()
                os.fsync(writer.fileno())
            new.rename(file)
            # what is signed or hashed with it must not outlive it
            folder = os.open(self.path, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return SecretStr(file.read_text())
