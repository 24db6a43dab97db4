"""One process to a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUse(Exception):
    """Another process works on the folder."""


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is made if there is none, until left or the process ends.

    Raises `FolderInUse`; OSError where the folder can't be made or written to.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"Another process is working on {path}.") from None
        yield
