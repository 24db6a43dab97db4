"""Whom the connections here watch, and what they are told of them. Synchronous; no I/O; knows no bus.

What is known of a user are claims: "connected to me", says a gateway, and says so again when it is asked again. A claim
that is not renewed runs out, so a gateway that was killed takes nobody with it for long.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.frames import Presence
from contracts.messages import PresenceReport


class Watcher(Protocol):
    """A connection, as this module sees it. Must be hashable."""

    @property
    def has_room_for_presence(self) -> bool: ...

    def queue(self, frame: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds: how often to ask; how long a claim holds; how long a user of whom nothing is heard is not called
    offline; and how long one who has just gone is not, since they may be on their way to another gateway."""

    ask_every: float
    claim_holds: float
    patience: float
    linger: float


@dataclass(slots=True, eq=False)
class _User:
    """`online` is what watchers are told, None while it is not known. Without claims it gets False at `settles_at`."""

    watchers: set[Watcher] = field(default_factory=set)
    claims: dict[str, float] = field(default_factory=dict)
    online: bool | None = None
    last_seen: datetime | None = None
    heard_at: datetime | None = None
    ask_at: float = 0.0
    settles_at: float | None = None
    frame: bytes | None = None


class Watching:
    """A watcher is told of a user once their state is known, and then of changes. While it has no room it is told
    nothing, and afterwards what holds then. `framed` makes the frame, once for all watchers."""

    def __init__(self, times: Times, framed: Callable[[Presence], bytes], clock: Callable[[], float]) -> None:
        self._times = times
        self._framed = framed
        self._clock = clock
        self._users: dict[UUID, _User] = {}
        self._told: dict[Watcher, dict[UUID, bool | None]] = {}
        self._due: dict[Watcher, set[UUID]] = {}
        self._to_ask: set[UUID] = set()
        self._asked: deque[tuple[float, list[UUID]]] = deque()
        self._claimed: deque[tuple[float, str, list[UUID]]] = deque()
        self._settling: list[tuple[float, UUID]] = []

    def __len__(self) -> int:
        """How many users are watched."""
        return len(self._users)

    def watch(self, watcher: Watcher, user_ids: Iterable[UUID]) -> None:
        """Replaces whom it has watched so far."""
        wanted, told = set(user_ids), self._told.get(watcher, {})
        for user_id in told.keys() - wanted:
            del told[user_id]
            self._unwatch(watcher, user_id)
        for user_id in wanted - told.keys():
            told[user_id] = None
            self._watch(watcher, user_id)
        if told:
            self._told[watcher] = told
        else:
            self._told.pop(watcher, None)
            self._due.pop(watcher, None)

    def forget(self, watcher: Watcher) -> None:
        self.watch(watcher, ())

    def take_questions(self) -> list[UUID]:
        """Whom to ask for now. To be followed by `asked` or `not_asked` about each of them."""
        now, to_ask = self._clock(), self._to_ask
        self._to_ask = set()
        while self._asked and self._asked[0][0] <= now:
            due, user_ids = self._asked.popleft()
            to_ask.update(one for one in user_ids if one in self._users and self._users[one].ask_at == due)
        return [user_id for user_id in to_ask if user_id in self._users]

    def asked(self, user_ids: list[UUID]) -> None:
        now = self._clock()
        ask_at = now + self._times.ask_every
        self._asked.append((ask_at, user_ids))
        for user_id in user_ids:
            if (user := self._users.get(user_id)) is not None:
                user.ask_at = ask_at
                if user.online is None and user.settles_at is None:
                    self._settle_at(now + self._times.patience, user_id, user)

    def not_asked(self, user_ids: list[UUID]) -> None:
        self._to_ask.update(user_ids)

    def heard(self, report: PresenceReport, at: datetime) -> None:
        until = self._clock() + self._times.claim_holds
        claimed = [user_id for user_id in report.online if user_id in self._users]
        for user_id in claimed:
            present = self._users[user_id]
            present.claims[report.gateway_id] = until
            present.heard_at = at
            self._is_now(True, user_id, present)
        if claimed:
            self._claimed.append((until, report.gateway_id, claimed))
        for user_id, last_seen in report.offline.items():
            if (user := self._users.get(user_id)) is not None:
                self._disclaimed(report.gateway_id, user_id, user, last_seen)

    def settle(self) -> None:
        """Let run out what does: claims, and then the time until their user counts as offline."""
        now = self._clock()
        while self._claimed and self._claimed[0][0] <= now:
            _, gateway_id, user_ids = self._claimed.popleft()
            for user_id in user_ids:
                if (user := self._users.get(user_id)) is not None and user.claims.get(gateway_id, now + 1) <= now:
                    self._disclaimed(gateway_id, user_id, user, user.heard_at)
        while self._settling and self._settling[0][0] <= now:
            settles_at, user_id = heapq.heappop(self._settling)
            if (user := self._users.get(user_id)) is not None and user.settles_at == settles_at and not user.claims:
                self._is_now(False, user_id, user)

    def tell(self, limit: int) -> bool:
        """Send up to so many frames. Says whether there is more that could be sent."""
        for watcher in tuple(self._due):
            limit -= self._tell(watcher, limit)
            if limit == 0:
                return True
        return False

    def _tell(self, watcher: Watcher, limit: int) -> int:
        due, told, sent = self._due[watcher], self._told[watcher], 0
        while due and sent < limit and watcher.has_room_for_presence:
            user_id = due.pop()
            user = self._users[user_id]
            if user.online is not None and told[user_id] is not user.online:
                told[user_id] = user.online
                watcher.queue(self._frame(user_id, user))
                sent += 1
        if not due:
            del self._due[watcher]
        return sent

    def _frame(self, user_id: UUID, user: _User) -> bytes:
        if user.frame is None:
            online = bool(user.online)
            last_seen = None if online else user.last_seen
            user.frame = self._framed(Presence(user_id=user_id, online=online, last_seen=last_seen))
        return user.frame

    def _watch(self, watcher: Watcher, user_id: UUID) -> None:
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
            self._to_ask.add(user_id)
        user.watchers.add(watcher)
        if user.online is not None:
            self._due.setdefault(watcher, set()).add(user_id)

    def _unwatch(self, watcher: Watcher, user_id: UUID) -> None:
        user = self._users[user_id]
        user.watchers.remove(watcher)
        if not user.watchers:
            del self._users[user_id]
        if watcher in self._due:
            self._due[watcher].discard(user_id)

    def _disclaimed(self, gateway_id: str, user_id: UUID, user: _User, last_seen: datetime | None) -> None:
        if last_seen is not None and (user.last_seen is None or user.last_seen < last_seen):
            user.last_seen, user.frame = last_seen, None
        if user.claims.pop(gateway_id, None) is not None and not user.claims:
            self._settle_at(self._clock() + self._times.linger, user_id, user)

    def _settle_at(self, moment: float, user_id: UUID, user: _User) -> None:
        user.settles_at = moment
        heapq.heappush(self._settling, (moment, user_id))

    def _is_now(self, online: bool, user_id: UUID, user: _User) -> None:
        if user.online is online:
            return
        user.online, user.frame = online, None
        for watcher in user.watchers:
            self._due.setdefault(watcher, set()).add(user_id)
