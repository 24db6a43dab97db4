"""The filter on disk: a snapshot, and a journal of what has happened since.

A batch of changes is in the journal, fsynced, before its messages are acknowledged. Now and then the journal is folded
into a new snapshot, which replaces the old one atomically and names the journal that goes on from it.

    snapshot:  "PARLEYBF", version u16, length u32, header (JSON), the layers' bits, SHA-256 of all before
    journal:   records of one change each: kind, digest (32 bytes), event id (16 bytes), CRC-32

Synchronous: for a thread.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from bloom_service.bloom import EmailFilter, Layer

_MAGIC = b"PARLEYBF"
_VERSION = 1
_PREFIX = struct.Struct(">8sHI")
_RECORD = struct.Struct(">c32s16s")
_CRC = struct.Struct(">I")
_RECORD_BYTES = _RECORD.size + _CRC.size
_CHECKSUM_BYTES = 32
_FOLD_AT = 50_000
_CLOSED = -1

log = structlog.get_logger(__name__)


class Kind(Enum):
    ADDED = b"A"
    DELETED = b"D"
    COMPLETED = b"C"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to the filter. `digest` is hex; COMPLETED has none."""

    kind: Kind
    event_id: UUID
    digest: str = ""

    def apply(self, filter: EmailFilter) -> None:
        match self.kind:
            case Kind.ADDED:
                filter.add(self.digest)
            case Kind.DELETED:
                # a Bloom filter can't forget: the digest goes when the filter is made anew
                filter.deleted += 1
            case Kind.COMPLETED:
                filter.complete = True
        filter.last_event_id = str(self.event_id)


class Corrupt(Exception):
    """A file is not what was written. The text says how."""


class FilterFiles:
    """The files of one filter in `folder`. `load` comes first, and once."""

    def __init__(self, folder: Path, capacity: int, error_rate: float) -> None:
        self._folder = folder
        self._capacity = capacity
        self._error_rate = error_rate
        self._number = 0
        self._journal = _CLOSED
        self._records = 0
        self.generation = 1

    @property
    def snapshot_path(self) -> Path:
        return self._folder / "filter.snapshot"

    def _journal_path(self, number: int) -> Path:
        return self._folder / f"filter.{number}.journal"

    def _journals(self) -> list[Path]:
        return list(self._folder.glob("filter.*.journal"))

    def load(self) -> EmailFilter:
        """The filter as it was, every acknowledged change included; or, where the files are missing or damaged, an
        empty one that is not `complete`. Damaged files are kept aside."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            filter = self._read()
        except Corrupt as error:
            log.error("filter_corrupt", reason=str(error))
            for path in (*self._journals(), self.snapshot_path):
                if path.exists():
                    path.replace(path.with_name(f"{path.name}.corrupt"))
            filter = EmailFilter(self._capacity, self._error_rate)
            self.generation += 1
        self.fold(filter)
        return filter

    def append(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are on disk. Raises OSError, with nothing of them kept."""
        data = b"".join(_record(change) for change in changes)
        # what an attempt that failed has left behind must not stand in the way
        os.ftruncate(self._journal, self._records * _RECORD_BYTES)
        os.lseek(self._journal, 0, os.SEEK_END)
        if os.write(self._journal, data) != len(data):
            raise OSError("only a part was written")
        os.fsync(self._journal)
        self._records += len(changes)

    @property
    def wants_folding(self) -> bool:
        return self._records >= _FOLD_AT

    def fold(self, filter: EmailFilter) -> None:
        """Write a snapshot of the filter and begin a new journal. Raises OSError, and then the old ones go on."""
        number = self._number + 1
        journal = os.open(self._journal_path(number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # on disk before the snapshot that names it: a snapshot without its journal has lost something
            self._sync_folder()
            self._write_snapshot(filter, number)
        except OSError:
            os.close(journal)
            raise
        self.close()
        self._number, self._journal, self._records = number, journal, 0
        for path in self._journals():
            if path != self._journal_path(number):
                path.unlink()

    def close(self) -> None:
        if self._journal != _CLOSED:
            os.close(self._journal)
            self._journal = _CLOSED

    def _read(self) -> EmailFilter:
        filter = EmailFilter(self._capacity, self._error_rate)
        if not self.snapshot_path.exists():
            if any(path.stat().st_size for path in self._journals()):
                raise Corrupt("there is a journal without its snapshot")
            return filter
        header, layers = self._read_snapshot()
        self._number = header["journal"]
        self.generation = header["generation"]
        filter.capacity = header["capacity"]
        filter.error_rate = header["error_rate"]
        filter.complete = header["complete"]
        filter.deleted = header["deleted"]
        filter.last_event_id = header["last_event_id"]
        try:
            filter.restore(layers)
        except ValueError as error:
            raise Corrupt(str(error)) from None
        for change in self._read_journal():
            change.apply(filter)
        return filter

    def _read_snapshot(self) -> tuple[dict[str, Any], list[Layer]]:
        data = self.snapshot_path.read_bytes()
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if hashlib.sha256(body).digest() != checksum:
            raise Corrupt("the snapshot's checksum is wrong")
        magic, version, length = _PREFIX.unpack_from(body)
        if magic != _MAGIC or version != _VERSION:
            raise Corrupt(f"the snapshot has version {version}")
        bits_from = _PREFIX.size + length
        header: dict[str, Any] = json.loads(body[_PREFIX.size : bits_from])
        layers: list[Layer] = []
        for count, size in header["layers"]:
            layers.append(Layer(count, body[bits_from : bits_from + size]))
            bits_from += size
        return header, layers

    def _read_journal(self) -> Iterator[Change]:
        """What follows the last whole record was being written when the process was killed, and never acknowledged. A
        whole record with a wrong checksum is damage."""
        try:
            data = self._journal_path(self._number).read_bytes()
        except FileNotFoundError:
            raise Corrupt("there is a snapshot without its journal") from None
        for start in range(0, len(data) - _RECORD_BYTES + 1, _RECORD_BYTES):
            yield _change(data[start : start + _RECORD_BYTES])

    def _write_snapshot(self, filter: EmailFilter, number: int) -> None:
        layers = filter.layers()
        header = json.dumps(
            {
                "journal": number,
                "generation": self.generation,
                "capacity": filter.capacity,
                "error_rate": filter.error_rate,
                "complete": filter.complete,
                "deleted": filter.deleted,
                "last_event_id": filter.last_event_id,
                "layers": [(layer.count, len(layer.bits)) for layer in layers],
            }
        ).encode()
        body = b"".join([_PREFIX.pack(_MAGIC, _VERSION, len(header)), header, *(layer.bits for layer in layers)])
        new = self.snapshot_path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body)
            file.write(hashlib.sha256(body).digest())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.snapshot_path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _record(change: Change) -> bytes:
    record = _RECORD.pack(change.kind.value, bytes.fromhex(change.digest), change.event_id.bytes)
    return record + _CRC.pack(zlib.crc32(record))


def _change(record: bytes) -> Change:
    if zlib.crc32(record[: _RECORD.size]) != _CRC.unpack_from(record, _RECORD.size)[0]:
        raise Corrupt("a record of the journal has a wrong checksum")
    kind, digest, event_id = _RECORD.unpack_from(record)
    return Change(Kind(kind), UUID(bytes=event_id), "" if kind == Kind.COMPLETED.value else digest.hex())
