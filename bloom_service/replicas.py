"""Which replica of the service a process is. Each has its own folder, and its own queue at the broker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from common.folder_lock import FolderInUse, locked_folder


def folder_of(replica: int, data_dir: Path) -> Path:
    return data_dir / str(replica)


def replicas_in(data_dir: Path) -> list[int]:
    """Those that have a folder."""
    return sorted(int(folder.name) for folder in data_dir.glob("[1-9]*") if folder.name.isdecimal())


@contextmanager
def taken_replica(data_dir: Path, number: int | None) -> Iterator[int]:
    """Be the replica of that number, or else the first that nobody is who works in the same `data_dir`, until left or
    the process ends.

    Raises `FolderInUse` if somebody is the one asked for; OSError where its folder can't be made or written to.
    """
    with ExitStack() as stack:
        for replica in count(1) if number is None else [number]:
            try:
                stack.enter_context(locked_folder(folder_of(replica, data_dir)))
            except FolderInUse:
                if number is not None:
                    raise
            else:
                yield replica
                return
