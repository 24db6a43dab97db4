"""What has happened since a snapshot, change by change: on disk before the messages that told of it are acknowledged.

    record:  CRC-32 u32 of what follows, length u16, change (JSON)

A journal has its full size from the beginning, with zeros where nothing is written yet. One that was cut short is thus
not taken for one to which less was written.

Synchronous: for a thread.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from bloom_service.generations import Change, Kind

SIZE = 8 * 1024 * 1024

_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_HEAD_BYTES = _CRC.size + _LENGTH.size


class Corrupt(Exception):
    """A file is not what was written. The text says how."""


class Journal:
    """A new one, to be written. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._written = 0
        self._clean = False
        try:
            self._clean_up()
            os.fsync(self._file)
        except OSError:
            self.close()
            raise

    def append(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are on disk. Raises OSError, with nothing of them kept."""
        data = b"".join(map(_record, changes))
        if self._written + len(data) > SIZE:
            raise OSError("the journal is full")
        if not self._clean:
            self._clean_up()
        self._clean = False
        if os.pwrite(self._file, data, self._written) != len(data):
            raise OSError("only a part was written")
        os.fsync(self._file)
        self._clean = True
        self._written += len(data)

    @property
    def half_full(self) -> bool:
        return self._written > SIZE // 2

    def close(self) -> None:
        os.close(self._file)

    def _clean_up(self) -> None:
        """Zeros where an attempt that failed may have left something."""
        os.ftruncate(self._file, self._written)
        os.ftruncate(self._file, SIZE)
        self._clean = True


def read(path: Path) -> Iterator[Change]:
    """Everything that was appended to the journal. Raises `Corrupt` where that can't be said with certainty: a record
    that a kill cut short looks like one that was damaged."""
    data = path.read_bytes()
    if len(data) != SIZE:
        raise Corrupt("a journal has the wrong size")
    end = len(data.rstrip(b"\0"))
    start = 0
    while start < end:
        content = start + _HEAD_BYTES
        (length,) = _LENGTH.unpack_from(data, start + _CRC.size)
        if zlib.crc32(data[start + _CRC.size : content + length]) != _CRC.unpack_from(data, start)[0]:
            raise Corrupt("a record of a journal has a wrong checksum")
        kind, event_id, digests = json.loads(data[content : content + length])
        yield Change(Kind(kind), UUID(event_id), digests)
        start = content + length


def _record(change: Change) -> bytes:
    content = json.dumps([change.kind, str(change.event_id), dict(change.digests)]).encode()
    checked = _LENGTH.pack(len(content)) + content
    return _CRC.pack(zlib.crc32(checked)) + checked
