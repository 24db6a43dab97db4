"""The filter: pure and synchronous. Knows neither bus nor HTTP nor files."""

from math import inf, log
from typing import Self

from bitarray import bitarray
from pybloom_live import BloomFilter

_UNEVEN_BITS = range(1 << 14, 1 << 15)
"""Of a slice: pybloom-live takes 16 bits of a hash then, modulo the slice's size, which is a large part of them. With
20,000 members the filter would be wrong 1.2 times as often as asked for."""

_FEWER_ERRORS = 1.25


class EmailFilter:
    """Digests of registered emails: a "no" is certain, and a "yes" is wrong at `error_rate` once `capacity` are in it.

    It takes members beyond its capacity, too: what it refused would be a wrong "no". It is only wrong more often then,
    and `estimated_error_rate` says how often. (pybloom-live's own filter refuses, its scalable one wastes space, its
    copies and unions forget how many members they have, and its files have no checksum: none of these is used.)
    """

    def __init__(self, capacity: int, error_rate: float) -> None:
        self.capacity = capacity
        self.error_rate = error_rate
        self._bloom = BloomFilter(capacity, error_rate)
        if self._bloom.bits_per_slice in _UNEVEN_BITS:
            self._bloom = BloomFilter(capacity, error_rate / _FEWER_ERRORS)
        self._bloom.capacity = inf

    @classmethod
    def restored(cls, capacity: int, error_rate: float, count: int, bits: bytes) -> Self:
        """One with these parameters that had `count` members and these bits. Raises ValueError if they don't fit."""
        restored = cls(capacity, error_rate)
        own = bitarray(endian="little")
        own.frombytes(bits)
        if not 0 <= len(own) - restored._bloom.num_bits < 8:
            raise ValueError("the bits don't fit the parameters")
        restored._bloom.bitarray = own
        restored._bloom.count = count
        return restored

    def add(self, digest: str) -> None:
        """A digest is hex. To add one again changes nothing."""
        self._bloom.add(digest)

    def __contains__(self, digest: str) -> bool:
        return digest in self._bloom

    def __len__(self) -> int:
        """How many were added. Those that a false positive hid are not counted, and need not be."""
        return len(self._bloom)

    @property
    def bits(self) -> bytes:
        data: bytes = self._bloom.bitarray.tobytes()
        return data

    @property
    def size_bytes(self) -> int:
        bits: int = self._bloom.num_bits
        return (bits + 7) // 8

    @property
    def fill(self) -> float:
        """How full it is: 1 at its capacity."""
        return len(self) / self.capacity

    @property
    def estimated_error_rate(self) -> float:
        """The share of unknown digests to which the answer is "yes" now, from the bits that are set."""
        rate: float = self._share_of_set_bits**self._bloom.num_slices
        return rate

    @property
    def estimated_members(self) -> int:
        """From the bits that are set: right far beyond the capacity too, where hardly anything new seems to be."""
        unset = max(1.0 - self._share_of_set_bits, 1.0 / self._bloom.num_bits)
        slice_bits: int = self._bloom.bits_per_slice
        return round(-log(unset) * slice_bits)

    @property
    def _share_of_set_bits(self) -> float:
        bloom = self._bloom
        # padding bits are never set
        return float(bloom.bitarray.count() / bloom.num_bits)
