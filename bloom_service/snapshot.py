"""The filter on disk: a snapshot of all generations that are ready, and a journal of what has happened since.

Now and then the journal is folded into a new snapshot, which replaces the old one atomically and names the journal that
goes on from it.

    snapshot:  "PARLEYBF", version u16, length u32, header (JSON), the generations' bits, SHA-256 of all before

Whatever is not exactly as it was written is put aside, and there are no generations then: never a wrong "no".

Synchronous: for a thread.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

from bloom_service.bloom import EmailFilter
from bloom_service.generations import Change, Generation, Generations
from bloom_service.journal import Corrupt, Journal, read

_MAGIC = b"PARLEYBF"
_VERSION = 2
_PREFIX = struct.Struct(">8sHI")
_CHECKSUM_BYTES = 32

log = structlog.get_logger(__name__)


class FilterFiles:
    """The files of one filter in `folder`. `load` comes first, and once."""

    def __init__(self, folder: Path, capacity: int, error_rate: float) -> None:
        self._folder = folder
        self._capacity = capacity
        self._error_rate = error_rate
        self._number = 0
        self._journal: Journal | None = None
        # who gave up waiting for a thread that writes must not close the files under it
        self._busy = Lock()

    @property
    def snapshot_path(self) -> Path:
        return self._folder / "filter.snapshot"

    def load(self) -> Generations:
        """The generations as they were, every acknowledged change included; none of them where the files are missing or
        damaged. Damaged ones are kept aside. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            generations = self._read()
        except Corrupt as error:
            log.error("filter_corrupt", reason=str(error))
            for path in (*self._journals(), self.snapshot_path):
                if path.exists():
                    path.replace(path.with_name(f"{path.name}.corrupt"))
            generations = Generations(self._capacity, self._error_rate)
        self.fold(generations)
        return generations

    def append(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are on disk. Raises OSError, with nothing of them kept."""
        with self._busy:
            if self._journal is None:
                raise OSError("there is no journal to write to")
            self._journal.append(changes)

    @property
    def wants_folding(self) -> bool:
        return self._journal is None or self._journal.half_full

    def fold(self, generations: Generations) -> None:
        """Write a snapshot and begin a new journal. Raises OSError, having lost nothing; try again then."""
        with self._busy:
            number = self._number + 1
            journal = Journal(self._journal_path(number))
            try:
                # on disk before the snapshot that names it: a snapshot without its journal has lost something
                self._sync_folder()
                new = self._write_snapshot(generations, number)
                # if what follows fails, nobody knows which journal the next start will read: none is written to then
                self._close_journal()
                new.replace(self.snapshot_path)
                self._sync_folder()
            except OSError:
                journal.close()
                raise
            self._number, self._journal = number, journal
            for path in self._journals():
                if path != self._journal_path(number):
                    path.unlink()

    def close(self) -> None:
        with self._busy:
            self._close_journal()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _journal_path(self, number: int) -> Path:
        return self._folder / f"filter.{number}.journal"

    def _journals(self) -> list[Path]:
        return list(self._folder.glob("filter.*.journal"))

    def _read(self) -> Generations:
        generations = Generations(self._capacity, self._error_rate)
        if not self.snapshot_path.exists():
            return generations
        header, bits = self._read_snapshot()
        self._number = header["journal"]
        generations.number = header["number"]
        for described in header["generations"]:
            generation = _restored(described, bits)
            generations.ready[generation.key_id] = generation
        path = self._journal_path(self._number)
        if not path.exists():
            raise Corrupt("there is a snapshot without its journal")
        for change in read(path):
            generations.apply(change)
        return generations

    def _read_snapshot(self) -> tuple[dict[str, Any], Iterator[bytes]]:
        """The header, and the bits of each generation in turn."""
        data = memoryview(self.snapshot_path.read_bytes())
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if hashlib.sha256(body).digest() != checksum:
            raise Corrupt("the snapshot's checksum is wrong")
        magic, version, length = _PREFIX.unpack_from(body)
        if magic != _MAGIC or version != _VERSION:
            raise Corrupt(f"the snapshot has version {version}")
        header: dict[str, Any] = json.loads(bytes(body[_PREFIX.size : _PREFIX.size + length]))
        return header, _cut(body[_PREFIX.size + length :], [one["bytes"] for one in header["generations"]])

    def _write_snapshot(self, generations: Generations, number: int) -> Path:
        """On disk, to take the place of the one before."""
        ready = list(generations.ready.values())
        header = json.dumps(
            {"journal": number, "number": generations.number, "generations": [_described(one) for one in ready]}
        ).encode()
        new = self.snapshot_path.with_suffix(".new")
        checksum = hashlib.sha256()
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for part in (_PREFIX.pack(_MAGIC, _VERSION, len(header)), header, *(one.filter.bits for one in ready)):
                file.write(part)
                checksum.update(part)
            file.write(checksum.digest())
            file.flush()
            os.fsync(file.fileno())
        return new

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _described(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "key_id": generation.key_id,
        "capacity": generation.filter.capacity,
        "error_rate": generation.filter.error_rate,
        "count": len(generation.filter),
        "deleted": generation.deleted,
        "last_event_id": generation.last_event_id,
        "bytes": generation.filter.size_bytes,
    }


def _restored(described: dict[str, Any], bits: Iterator[bytes]) -> Generation:
    try:
        filter = EmailFilter.restored(described["capacity"], described["error_rate"], described["count"], next(bits))
    except ValueError as error:
        raise Corrupt(str(error)) from None
    return Generation(
        described["number"], described["key_id"], filter, described["deleted"], described["last_event_id"]
    )


def _cut(data: memoryview, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield bytes(data[start : start + size])
        start += size
