"""Generations of the filter, and when there has to be another: a state machine, pure and synchronous.

A generation is one filter of digests under one key. It is *ready* if nobody can be missing from it. A new one is begun
*young* and empty, and is told of every change from then on; then user_service's export is added to it, page by page.
Whoever registered before the export got to them is in it, whoever registered later is in a change that the young one
is told of: nobody is missed, in whatever order all of that comes, and however often, since to add is idempotent. When
all pages are in, it takes the place of the one before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from bloom_service.bloom import EmailFilter

MAX_FILL = 0.8
MAX_DELETED_SHARE = 0.05
_ROOM = 2
"""How many times its live members the next generation has room for."""

DIGEST_CHARACTERS = 64


class Kind(StrEnum):
    REGISTERED = "registered"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One account that came or went, with its email's digest under each key under which it was told (hex, by key id).

    Without any it is somebody of whom only that much is known: no generation can be ready after such a registration.
    """

    kind: Kind
    event_id: UUID
    digests: Mapping[str, str]


class Reason(StrEnum):
    """Why there has to be another generation."""

    MISSING = "there is none under the key"
    COMMAND = "an operator asked for it"
    FULL = "the one before is nearly full"
    DELETIONS = "many of the members of the one before were deleted"


@dataclass(slots=True)
class Generation:
    """`deleted` counts members whose account is gone: a Bloom filter can't forget, so they stay until the next one.
    `exported` counts what the export has told while it was young."""

    number: int
    key_id: str
    filter: EmailFilter
    deleted: int = 0
    last_event_id: str | None = None
    exported: int = 0

    def apply(self, change: Change) -> bool:
        """Says whether that was possible: somebody without a digest under its key is missing from it from then on."""
        digest = change.digests.get(self.key_id)
        match change.kind:
            case Kind.REGISTERED:
                if digest is None:
                    return False
                self.filter.add(digest)
            case Kind.DELETED:
                if digest is None or digest in self.filter:
                    self.deleted = min(self.deleted + 1, len(self.filter))
        self.last_event_id = str(change.event_id)
        return True

    def add(self, digests: str) -> None:
        """Some of what the export tells, as one string."""
        for start in range(0, len(digests), DIGEST_CHARACTERS):
            self.filter.add(digests[start : start + DIGEST_CHARACTERS])
        self.exported += len(digests) // DIGEST_CHARACTERS

    @property
    def deleted_share(self) -> float:
        return self.deleted / max(len(self.filter), 1)

    @property
    def live(self) -> int:
        """About how many of its members have an account."""
        return max(len(self.filter), self.filter.estimated_members) - self.deleted


@dataclass(slots=True)
class Generations:
    """All that there are: one ready under each key, or none, and at most one that is young.

    `capacity` is the least that a new one has room for; `number` is that of the newest. `key_ids` are the keys that
    user_service has, first the one under which it asks; there are none until it has said so, and no generation is begun
    before that: only then is it certain that changes arrive.
    """

    capacity: int
    error_rate: float
    ready: dict[str, Generation] = field(default_factory=dict)
    young: Generation | None = None
    number: int = 0
    key_ids: tuple[str, ...] = ()
    _commanded: set[str] = field(default_factory=set)

    def hear_of(self, key_ids: Sequence[str]) -> None:
        """user_service has these keys now. (Older versions say none: theirs is not known.)"""
        self.key_ids = tuple(key_ids)

    def apply(self, change: Change) -> list[Generation]:
        """To all of them. Those that would miss somebody from now on are dropped, and returned."""
        dropped = [generation for generation in self._all() if not generation.apply(change)]
        for generation in dropped:
            self.drop(generation)
        return dropped

    def drop(self, generation: Generation) -> None:
        """It is not told of changes any more. Without effect if that has happened already."""
        if self.young is generation:
            self.young = None
        elif self.ready.get(generation.key_id) is generation:
            del self.ready[generation.key_id]

    def under(self, key_id: str | None) -> Generation | None:
        """The one that is ready under a key; None stands for the first of user_service's."""
        if key_id is None:
            key_id = next(iter(self.key_ids), None)
        return None if key_id is None else self.ready.get(key_id)

    @property
    def current(self) -> Generation | None:
        """The one that user_service asks. Before it has said which key that is: any."""
        return self.under(None) if self.key_ids else next(iter(self.ready.values()), None)

    def command(self) -> None:
        """Have all generations made anew."""
        self._commanded.update(self.key_ids)

    @property
    def wanted(self) -> tuple[str, Reason] | None:
        """The key under which another one is needed, most urgently, and why."""
        reasons = ((key_id, self._reason(key_id)) for key_id in self.key_ids)
        found = [(key_id, reason) for key_id, reason in reasons if reason is not None]
        return min(found, key=lambda one: list(Reason).index(one[1]), default=None)

    def begin(self, key_id: str) -> Generation:
        """A young one, in the place of any other young one."""
        self.number += 1
        self._commanded.discard(key_id)
        live = max((generation.live for generation in self.ready.values()), default=0)
        filter = EmailFilter(max(self.capacity, _ROOM * live), self.error_rate)
        before = self.ready.get(key_id)
        self.young = Generation(self.number, key_id, filter, last_event_id=before.last_event_id if before else None)
        return self.young

    def swap(self, young: Generation) -> bool:
        """All pages of the export are in: it is ready, unless it has been dropped meanwhile. Says whether it is."""
        if self.young is not young:
            return False
        self.ready[young.key_id] = young
        self.young = None
        return True

    def _reason(self, key_id: str) -> Reason | None:
        generation = self.ready.get(key_id)
        if generation is None:
            return Reason.MISSING
        if key_id in self._commanded:
            return Reason.COMMAND
        if generation.filter.fill > MAX_FILL:
            return Reason.FULL
        return Reason.DELETIONS if generation.deleted_share > MAX_DELETED_SHARE else None

    def _all(self) -> Iterable[Generation]:
        return [*self.ready.values(), *([self.young] if self.young else [])]
