"""Ids and the time."""

import os
import struct
import time
from datetime import UTC, datetime
from uuid import UUID

_POOL = struct.Struct("512Q")
_random: list[int] = []
os.register_at_fork(after_in_child=_random.clear)


def now() -> datetime:
    """The time in UTC, cut to milliseconds: what is stored is then exactly what is shown."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    a, b = random_64_bits() >> 52, random_64_bits() >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | a << 64 | 0b10 << 62 | b)


def random_64_bits() -> int:
    """From the operating system, which is asked for many at a time: to ask takes as long as to make an id."""
    while True:
        try:
            return _random.pop()
        except IndexError:
            _random.extend(_POOL.unpack(os.urandom(_POOL.size)))
