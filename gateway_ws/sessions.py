"""Who is connected, and which sessions have ended."""

import time
from collections.abc import Callable, Collection
from uuid import UUID

from prometheus_client import Gauge

from contracts.frames import CloseCode, TokenExpiring
from gateway_ws.connection import Connection

CONNECTIONS = Gauge("parley_gateway_connections", "Connections that have said hello")

_REMEMBERED_S = 15 * 60.0
"""An access token lives no longer, so a revoked session need not be remembered for longer."""


class Sessions:
    def __init__(
        self,
        token_warning: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._token_warning = token_warning
        self._clock = clock
        self._wall_clock = wall_clock
        self._connections: dict[UUID, set[Connection]] = {}
        self._revoked: dict[UUID, float] = {}

    def add(self, connection: Connection) -> None:
        self._connections.setdefault(connection.user_id, set()).add(connection)
        CONNECTIONS.inc()

    def remove(self, connection: Connection) -> None:
        if connection.claims is None:
            return
        mine = self._connections.get(connection.user_id, set())
        if connection in mine:
            mine.remove(connection)
            CONNECTIONS.dec()
        if not mine:
            self._connections.pop(connection.user_id, None)

    def of(self, user_id: UUID) -> tuple[Connection, ...]:
        return tuple(self._connections.get(user_id, ()))

    def all(self) -> tuple[Connection, ...]:
        return tuple(connection for mine in self._connections.values() for connection in mine)

    def ids(self) -> set[UUID]:
        """The sessions that somebody is connected with."""
        return {connection.claims.session_id for connection in self.all() if connection.claims is not None}

    def is_revoked(self, user_id: UUID, session_id: UUID) -> bool:
        return user_id in self._revoked or session_id in self._revoked

    def revoke(self, user_id: UUID, session_id: UUID | None) -> None:
        """Close a session's connections, or all of a user's, and let none of them say hello again."""
        self._revoked[session_id or user_id] = self._clock() + _REMEMBERED_S
        for connection in self.of(user_id):
            if session_id is None or (connection.claims and connection.claims.session_id == session_id):
                connection.close(CloseCode.SESSION_REVOKED, "session revoked")

    def end(self, session_ids: Collection[UUID]) -> None:
        """As `revoke`, for those of the sessions that somebody is connected with."""
        for connection in self.all():
            if connection.claims is not None and connection.claims.session_id in session_ids:
                self.revoke(connection.user_id, connection.claims.session_id)

    def sweep(self) -> None:
        """Warn of and close what has expired, and close what has stalled. To be called about once a second."""
        clock, wall_clock = self._clock(), self._wall_clock()
        for key in [key for key, until in self._revoked.items() if until <= clock]:
            del self._revoked[key]
        for connection in self.all():
            if connection.claims is None:
                continue
            expires_in = connection.claims.expires_at - wall_clock
            connection.close_if_slow()
            if expires_in <= 0:
                connection.close(CloseCode.UNAUTHORIZED, "the token has expired")
            elif expires_in <= self._token_warning and not connection.warned_of_expiry:
                connection.warned_of_expiry = True
                connection.send(TokenExpiring(expires_in=int(expires_in)))
