"""Who is connected here, and which gateways want to know. Synchronous; no I/O; knows no bus."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from uuid import UUID

from contracts.messages import PresenceReport

MAX_USERS_PER_MESSAGE = 1_000


class Hosting:
    """Remembers for `asked_for` seconds who has asked for whom, of at most `max_asked` pairs (what does not fit is
    answered once and not remembered), and of the last `max_gone` users when they went."""

    def __init__(
        self,
        gateway_id: str,
        asked_for: float,
        clock: Callable[[], float],
        max_asked: int = 500_000,
        max_gone: int = 50_000,
    ) -> None:
        self._gateway_id = gateway_id
        self._asked_for = asked_for
        self._clock = clock
        self._max_asked = max_asked
        self._max_gone = max_gone
        self._connections: Counter[UUID] = Counter()
        self._gone: OrderedDict[UUID, datetime] = OrderedDict()
        self._askers: dict[UUID, dict[str, float]] = {}
        self._asked = 0
        self._expiring: deque[tuple[float, str, list[UUID]]] = deque()
        self._owed: dict[str, set[UUID]] = {}

    def arrived(self, user_id: UUID) -> None:
        """One more connection of theirs."""
        self._connections[user_id] += 1
        if self._connections[user_id] == 1:
            self._gone.pop(user_id, None)
            self._changed(user_id)

    def left(self, user_id: UUID, at: datetime) -> None:
        """One connection fewer."""
        self._connections[user_id] -= 1
        if self._connections[user_id] > 0:
            return
        del self._connections[user_id]
        self._gone[user_id] = at
        if len(self._gone) > self._max_gone:
            self._gone.popitem(last=False)
        self._changed(user_id)

    def asked(self, gateway_id: str, user_ids: Iterable[UUID]) -> None:
        until = self._clock() + self._asked_for
        owed = self._owed.setdefault(gateway_id, set())
        remembered = []
        for user_id in user_ids:
            owed.add(user_id)
            if self._remember(user_id, gateway_id, until):
                remembered.append(user_id)
        if remembered:
            self._expiring.append((until, gateway_id, remembered))

    def reports(self) -> Iterator[tuple[str, PresenceReport]]:
        """What is owed to the gateways that have asked, each report once."""
        self._forget_expired()
        owed, self._owed = self._owed, {}
        for gateway_id, user_ids in owed.items():
            known = [user_id for user_id in user_ids if user_id in self._connections or user_id in self._gone]
            for start in range(0, len(known), MAX_USERS_PER_MESSAGE):
                yield gateway_id, self._report(known[start : start + MAX_USERS_PER_MESSAGE])

    def _report(self, user_ids: list[UUID]) -> PresenceReport:
        return PresenceReport(
            gateway_id=self._gateway_id,
            online=[user_id for user_id in user_ids if user_id in self._connections],
            offline={user_id: self._gone[user_id] for user_id in user_ids if user_id in self._gone},
        )

    def _changed(self, user_id: UUID) -> None:
        for gateway_id, until in self._askers.get(user_id, {}).items():
            if until > self._clock():
                self._owed.setdefault(gateway_id, set()).add(user_id)

    def _remember(self, user_id: UUID, gateway_id: str, until: float) -> bool:
        if gateway_id not in self._askers.get(user_id, ()):
            if self._asked >= self._max_asked:
                return False
            self._asked += 1
        self._askers.setdefault(user_id, {})[gateway_id] = until
        return True

    def _forget_expired(self) -> None:
        now = self._clock()
        while self._expiring and self._expiring[0][0] <= now:
            _, gateway_id, user_ids = self._expiring.popleft()
            for user_id in user_ids:
                askers = self._askers.get(user_id, {})
                if askers.get(gateway_id, now + 1) <= now:
                    del askers[gateway_id]
                    self._asked -= 1
                    if not askers:
                        del self._askers[user_id]
