"""Bloom_service at work among the four services: made anew while people register, asked over HTTP, told of somebody."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from bench.load.asker import Asker, NotNow
from bench.load.latency import Latency
from bench.load.meanwhile import busy_process, repeating
from bench.measurement import Tell
from bench.processes import cpu_seconds, memory_bytes
from bench.servers.parley import Parley, services
from bench.servers.user_database import add_users, digest_of
from contracts.routing import Service
from tests.support.client import new_credentials
from user_service.services.emails import DigestKey

BATCH = 1_000
EXPORTED = 2_000_000
"""While user_service is asked: a rebuild of these ends soon."""
ROUNDS = 4

_ROOM = 2
"""How many times the members a filter has room for: as the next generation always has."""

_REGISTRATIONS_PER_SECOND = 3.0
_BEFORE = 20
_CHECKED_ROWS = 100
"""So many batches of those that were not registered over HTTP are asked for."""

_QUICKLY_S = 0.1
_AGAIN_S = 0.002
_WITHIN_S = 600
_KNOWN_WITHIN_S = 10
_LOAD_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Of so many `members`, from the command until the new generation answers, while people registered: `registered`
    before, during and after it. `missed` are those of them, and of a sample of the others, who are not known then.

    `cpu` are the CPU seconds a second of each server, and `calm` those without a rebuild while people register as fast.
    `memory` is what bloom_service holds of its own afterwards, in bytes.
    """

    members: int
    seconds: float
    registered: int
    missed: int
    cpu: Mapping[str, float]
    calm: Mapping[str, float]
    memory: int

    @property
    def share_of_user_service(self) -> float:
        """Of the one core that user_service can use, for the export."""
        return self.cpu[Service.USER_SERVICE] - self.calm[Service.USER_SERVICE]


@dataclass(frozen=True, slots=True)
class Answering:
    """What user_service answered in a second, and in a second of its own CPU, when it was asked without a pause."""

    per_second: float
    per_cpu_second: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Digests that bloom_service checked for each second of its CPU, so many in each question."""

    batch: int
    per_cpu_second: float


@dataclass(frozen=True, slots=True)
class AtWork:
    """`beside_another` process that keeps one core busy, as bloom_service does during an export. `told` is from when a
    registration was answered, and so committed, until the filter says "maybe"; of so many `registrations`."""

    rebuild: Rebuild
    otherwise: Answering
    beside_another: Answering
    during_export: Answering
    asked: Sequence[Asked]
    registrations: int
    told: Latency


def measure(members: int, registrations: int, seconds: float, tell: Tell) -> AtWork:
    """`seconds` is for each thing that is measured for some time. Raises `TimeoutError`, `AssertionError`."""
    with _grown_to(members, tell) as (parley, bloom, people):
        rebuild = _rebuild(parley, bloom, people, members, seconds)
        tell(f"made anew in {rebuild.seconds:.1f} s, {rebuild.missed} missed")
        told = Latency.of(np.array([_told(bloom, people) for _ in range(registrations)]))
        asked = [_asked(parley, bloom, batch, seconds) for batch in (1, BATCH)]
    with _grown_to(min(members, EXPORTED), tell) as (parley, bloom, _):
        answering = _alternating(parley, bloom, seconds / 2)
    return AtWork(rebuild, *answering, asked, registrations, told)


@contextmanager
def _grown_to(members: int, tell: Tell) -> Iterator[tuple[Parley, "_Bloom", "_People"]]:
    """With a filter that knows a few who have registered over HTTP, and nobody else yet."""
    token, key = secrets.token_urlsafe(), secrets.token_urlsafe()
    settings = {
        "PARLEY_SERVICE_TOKEN": token,
        "PARLEY_EMAIL_DIGEST_KEY": key,
        "PARLEY_BLOOM_CAPACITY": str(_ROOM * members),
    }
    with services(**settings) as parley:
        digest_key = DigestKey(key)
        bloom = _Bloom(parley.bloom_url, token)
        people = _People(parley.user_url, digest_key)
        _until(lambda: bool(bloom.stats()["generation"]), _WITHIN_S)
        for _ in range(_BEFORE):
            people.register()
        began = time.monotonic()
        parley.in_database(Service.USER_SERVICE, partial(add_users, number=members, key_id=digest_key.id))
        tell(f"{members:,} users made in {time.monotonic() - began:.0f} s")
        yield parley, bloom, people


class _Bloom(Asker):
    def rebuild(self) -> None:
        self.ask("POST", "/emails/rebuild")

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.ask("GET", "/emails/stats")
        return stats

    def check(self, *digests: str) -> list[bool]:
        """While it is behind it is asked again. Raises `NotNow`, if it stays so."""
        deadline = time.monotonic() + _KNOWN_WITHIN_S
        while True:
            try:
                answers: list[bool] = self.ask("POST", "/emails/check", {"digests": digests})["might_exist"]
            except NotNow:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return answers


class _People:
    """Register, one after the other."""

    def __init__(self, url: str, key: DigestKey) -> None:
        self._client = Asker(url)
        self._key = key
        self.digests: list[str] = []

    def register(self) -> str:
        """Somebody. The digest of their address."""
        credentials = new_credentials()
        self._client.ask("POST", "/api/v1/users", credentials)
        digest = self._key.digest(credentials["email"]).hex()
        self.digests.append(digest)
        return digest


def _rebuild(parley: Parley, bloom: _Bloom, people: _People, members: int, seconds: float) -> Rebuild:
    with repeating(people.register, 1 / _REGISTRATIONS_PER_SECOND):
        with _used(parley) as calm:
            time.sleep(seconds)
        with _used(parley) as cpu:
            began = time.monotonic()
            bloom.rebuild()
            # the generation before knows none of those who were not registered over HTTP
            _until(lambda: bloom.check(digest_of(members))[0], _WITHIN_S)
            took = time.monotonic() - began
    people.register()
    missed = sum(not _is_known(bloom, digest) for digest in people.digests)
    for first in np.linspace(1, members - BATCH + 1, _CHECKED_ROWS, dtype=int):
        missed += bloom.check(*(digest_of(int(first) + place) for place in range(BATCH))).count(False)
    memory = memory_bytes(parley.pids[Service.BLOOM_SERVICE])
    return Rebuild(members, took, len(people.digests), missed, cpu, calm, memory)


@contextmanager
def _used(parley: Parley) -> Iterator[dict[str, float]]:
    """Filled in the end: CPU seconds a second, by server."""
    used: dict[str, float] = {}
    before = {name: cpu_seconds(pids) for name, pids in parley.pids.items()}
    began = time.monotonic()
    yield used
    took = time.monotonic() - began
    used.update({name: (cpu_seconds(pids) - before[name]) / took for name, pids in parley.pids.items()})


def _told(bloom: _Bloom, people: _People) -> float:
    """Seconds."""
    digest = people.register()
    committed = time.monotonic()
    while not bloom.check(digest)[0]:
        time.sleep(_AGAIN_S)
        if time.monotonic() > committed + _KNOWN_WITHIN_S:
            raise TimeoutError("the filter is not told of somebody")
    return time.monotonic() - committed


def _is_known(bloom: _Bloom, digest: str) -> bool:
    try:
        _until(lambda: bloom.check(digest)[0], _KNOWN_WITHIN_S)
    except TimeoutError:
        return False
    return True


def _asked(parley: Parley, bloom: _Bloom, batch: int, seconds: float) -> Asked:
    """Half of the digests are known."""
    pids = parley.pids[Service.BLOOM_SERVICE]
    number, before, end = 0, cpu_seconds(pids), time.monotonic() + seconds
    while time.monotonic() < end:
        places = range(number + 1, number + batch + 1)
        bloom.check(*(digest_of(place) if place % 2 else secrets.token_hex(32) for place in places))
        number += batch
    return Asked(batch, number / (cpu_seconds(pids) - before))


def _answering(parley: Parley, seconds: float) -> Answering:
    """Whether usernames are free: the cheapest question about which it asks its database, and nobody else."""
    pids = parley.pids[Service.USER_SERVICE]
    end = time.monotonic() + seconds

    def ask(_: int) -> int:
        client, number = Asker(parley.user_url), 0
        while time.monotonic() < end:
            client.ask("POST", "/api/v1/users/availability", {"username": f"u{secrets.token_hex(8)}"})
            number += 1
        client.close()
        return number

    before, began = cpu_seconds(pids), time.monotonic()
    with ThreadPoolExecutor(_LOAD_CONNECTIONS) as pool:
        answers = sum(pool.map(ask, range(_LOAD_CONNECTIONS)))
    return Answering(answers / (time.monotonic() - began), answers / (cpu_seconds(pids) - before))


def _alternating(parley: Parley, bloom: "_Bloom", seconds: float) -> tuple[Answering, Answering, Answering]:
    """Otherwise, beside another process, and during an export: the medians of so many times in turn, since what the
    machine itself can do changes by and by."""
    rounds: list[tuple[Answering, Answering, Answering]] = []
    for _ in range(ROUNDS):
        otherwise = _answering(parley, seconds)
        with busy_process():
            beside_another = _answering(parley, seconds)
        with repeating(bloom.rebuild, _QUICKLY_S):
            during_export = _answering(parley, seconds)
        _until(lambda: bloom.stats()["rebuilding"] is None, _WITHIN_S)
        rounds.append((otherwise, beside_another, during_export))
    otherwise, beside_another, during_export = map(_median, zip(*rounds, strict=True))
    return otherwise, beside_another, during_export


def _median(found: Sequence[Answering]) -> Answering:
    return Answering(median(one.per_second for one in found), median(one.per_cpu_second for one in found))


def _until(reached: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("bloom_service takes too long")
        time.sleep(_QUICKLY_S)
