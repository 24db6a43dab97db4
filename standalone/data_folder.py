"""The folder in which everything is kept."""

import fcntl
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECRET_BYTES = 32


class DataFolderInUse(Exception):
    """Another process works on the folder."""


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out. Makes the folder if there is none. Raises `DataFolderInUse`, OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataFolderInUse(f"Another Parley is working on {self.path}.") from None
            yield

    def database_url(self, service: str) -> str:
        return f"sqlite+aiosqlite:///{self.path / service}.db"

    def secret(self, name: str) -> str:
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
        return file.read_text()
