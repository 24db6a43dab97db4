"""The filter: pure and synchronous. Knows neither bus nor HTTP nor files."""

from dataclasses import dataclass, field
from math import prod

from bitarray import bitarray
from pybloom_live import BloomFilter


@dataclass(frozen=True, slots=True)
class Layer:
    """One fixed-size filter, as it is stored: how many members it has counted, and its bits."""

    count: int
    bits: bytes


@dataclass(slots=True)
class EmailFilter:
    """The digests of all registered emails, so that a "no" is certain and a "yes" is wrong at `error_rate`.

    pybloom-live's fixed-size filter refuses members beyond its capacity and its scalable one wastes space, so when a
    layer is full a further one of the same size is laid beside it. That costs a little accuracy (`estimated_error_rate`
    says how much), and never a member.

    `complete` says that no registration can be missing: the filter has been there since there was no account at all.
    Without it a "no" means nothing.
    """

    capacity: int
    error_rate: float
    complete: bool = False
    deleted: int = 0
    last_event_id: str | None = None
    _layers: list[BloomFilter] = field(default_factory=list)

    def add(self, digest: str) -> None:
        """A digest is hex. To add one again changes nothing."""
        if digest in self:
            return
        if not self._layers or len(self._layers[-1]) >= self.capacity:
            self._layers.append(BloomFilter(self.capacity, self.error_rate))
        self._layers[-1].add(digest, skip_check=True)

    def __contains__(self, digest: str) -> bool:
        return any(digest in layer for layer in self._layers)

    def __len__(self) -> int:
        """How many were added. Those that a false positive hid are not counted, and need not be."""
        return sum(len(layer) for layer in self._layers)

    @property
    def estimated_error_rate(self) -> float:
        """The share of unknown digests to which the answer is "yes" now, from the bits that are set."""
        right: float = prod(
            1.0 - (layer.bitarray.count() / layer.num_bits) ** layer.num_slices for layer in self._layers
        )
        return 1.0 - right

    @property
    def size_bytes(self) -> int:
        return sum((layer.num_bits + 7) // 8 for layer in self._layers)

    @property
    def fill(self) -> float:
        """How full the newest layer is, from 0 to 1."""
        return len(self._layers[-1]) / self.capacity if self._layers else 0.0

    def layers(self) -> list[Layer]:
        return [Layer(len(layer), layer.bitarray.tobytes()) for layer in self._layers]

    def restore(self, layers: list[Layer]) -> None:
        """Become what `layers` were taken from, with the same parameters. Raises ValueError if they don't fit."""
        self._layers = [self._restored(layer) for layer in layers]

    def _restored(self, layer: Layer) -> BloomFilter:
        restored = BloomFilter(self.capacity, self.error_rate)
        bits = bitarray(endian="little")
        bits.frombytes(layer.bits)
        if not 0 <= len(bits) - restored.num_bits < 8:
            raise ValueError("the bits don't fit the parameters")
        restored.bitarray = bits
        restored.count = layer.count
        return restored
