"""rbloom: a Bloom filter in Rust, which sets all of a member's bits anywhere in one array."""

from importlib import metadata

NAME = "rbloom"

_CHARACTERS = 32
"""Half of a digest, in hex: rbloom takes an integer of 128 bits and mixes it itself."""


class RbloomFilter:
    """Asked like bloom_service's own."""

    def __init__(self, capacity: int, error_rate: float) -> None:
        from rbloom import Bloom  # `make bench` alone installs it

        self._bloom = Bloom(capacity, error_rate, _number_of)

    def add(self, digest: str) -> None:
        self._bloom.add(digest)

    def __contains__(self, digest: str) -> bool:
        return digest in self._bloom

    @property
    def size_bytes(self) -> int:
        bits: int = self._bloom.size_in_bits
        return (bits + 7) // 8


def available() -> str | None:
    """Why not, or None."""
    try:
        version()
    except metadata.PackageNotFoundError:
        return "it is not installed."
    return None


def version() -> str:
    """Raises PackageNotFoundError."""
    return f"{NAME} {metadata.version(NAME)}"


def _number_of(digest: str) -> int:
    return int.from_bytes(bytes.fromhex(digest[:_CHARACTERS]), signed=True)
