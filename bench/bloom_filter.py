"""The Bloom filter itself, as large as it gets: alone beside rbloom, over generations, and read from disk."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import log2
from multiprocessing import get_context
from os import getpid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

import numpy as np

from bench.peers.bloom import RbloomFilter
from bench.processes import memory_bytes
from bloom_service.bloom import EmailFilter
from bloom_service.generations import Generation, Generations
from bloom_service.snapshot import FilterFiles

ERROR_RATE = 0.001
BITS_IN_THEORY = log2(1 / ERROR_RATE) * 1.4427
"""For each member, of a Bloom filter as good as one can be."""

OWN, PEER = "bloom_service", "rbloom"

_KEY = "a-key"
_DIGEST_BYTES = 32
_AT_ONCE = 100_000
_MEMBERS, _STRANGERS = 1, 2
"""Seeds: digests are the same each time."""

Made = TypeVar("Made")


class Filter(Protocol):
    def __init__(self, capacity: int, error_rate: float) -> None: ...

    def add(self, digest: str) -> None: ...

    def __contains__(self, digest: str) -> bool: ...

    @property
    def size_bytes(self) -> int: ...


_FILTERS: dict[str, type[Filter]] = {OWN: EmailFilter, PEER: RbloomFilter}


@dataclass(frozen=True, slots=True)
class Filled:
    """A filter of `members`, as many as it is made for. `error_rate` is the share of `unknown` digests that it called
    known. Microseconds of CPU for each; `memory` is in bytes."""

    of: str
    members: int
    bits_per_member: float
    error_rate: float
    unknown: int
    add_us: float
    check_us: float
    memory: int


@dataclass(frozen=True, slots=True)
class Generational:
    """One generation after the other, each as full as it was made for when it was asked."""

    number: int
    members: int
    error_rate: float
    unknown: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot of so many bytes, read from disk, which has just been written and is in the system's cache."""

    members: int
    size: int
    seconds: float


def filled(of: str, members: int, unknown: int) -> Filled:
    """In a process of its own, whose memory is measured. Raises `AssertionError` if a member is not known."""
    return _alone(_filled, of, members, unknown)


def loaded(members: int) -> Loaded:
    """In a process of its own."""
    return _alone(_loaded, members)


def over_generations(first: int, number: int, unknown: int) -> list[Generational]:
    """Each has twice the members of the one before, which is swapped for it."""
    generations = Generations(first, ERROR_RATE)
    generations.hear_of([_KEY])
    found: list[Generational] = []
    for _ in range(number):
        young = generations.begin(_KEY)
        _fill(young.filter, young.filter.capacity)
        generations.swap(young)
        rate, _ = _ask(generations.ready[_KEY].filter, unknown)
        found.append(Generational(young.number, young.filter.capacity, rate, unknown))
    return found


def _alone(work: Callable[..., Made], *arguments: Any) -> Made:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def _filled(of: str, members: int, unknown: int) -> Filled:
    some = next(_digests(_MEMBERS, members))
    before = memory_bytes([getpid()])
    filter = _FILTERS[of](members, ERROR_RATE)
    for digest in some:
        filter.add(digest)
    # there are bits of these on all its pages
    memory = memory_bytes([getpid()]) - before
    adding = _fill(filter, members)
    error_rate, checking = _ask(filter, unknown)
    if not all(digest in filter for digest in some):
        raise AssertionError("a member is not known")
    bits = 8 * filter.size_bytes / members
    return Filled(of, members, bits, error_rate, unknown, 1e6 * adding, 1e6 * checking, memory)


def _loaded(members: int) -> Loaded:
    with TemporaryDirectory(prefix="parley-bench-") as folder:
        files = FilterFiles(Path(folder), members, ERROR_RATE)
        generations = files.load()
        generation = Generation(1, _KEY, EmailFilter(members, ERROR_RATE))
        _fill(generation.filter, min(members, _AT_ONCE))
        generations.ready[_KEY] = generation
        files.fold(generations)
        files.close()
        size = files.snapshot_path.stat().st_size
        again = FilterFiles(Path(folder), members, ERROR_RATE)
        began = time.perf_counter()
        read = again.load()
        seconds = time.perf_counter() - began
        again.close()
        if read.ready[_KEY].filter.bits != generation.filter.bits:
            raise AssertionError("it was not read as it was written")
    return Loaded(members, size, seconds)


def _fill(filter: Filter, members: int) -> float:
    """Seconds of CPU for each."""
    used = 0.0
    for digests in _digests(_MEMBERS, members):
        began = time.process_time()
        for digest in digests:
            filter.add(digest)
        used += time.process_time() - began
    return used / members


def _ask(filter: Filter, unknown: int) -> tuple[float, float]:
    """The share of unknown digests that it calls known, and seconds of CPU for each."""
    used, known = 0.0, 0
    for digests in _digests(_STRANGERS, unknown):
        began = time.process_time()
        known += sum(digest in filter for digest in digests)
        used += time.process_time() - began
    return known / unknown, used / unknown


def _digests(seed: int, number: int) -> Iterator[Sequence[str]]:
    chance = np.random.default_rng(seed)
    for start in range(0, number, _AT_ONCE):
        text = chance.bytes(_DIGEST_BYTES * min(_AT_ONCE, number - start)).hex()
        yield [text[place : place + 2 * _DIGEST_BYTES] for place in range(0, len(text), 2 * _DIGEST_BYTES)]
