"""Finds the sessions that were revoked while this gateway did not hear of it: before it started, or while its queue was
lost. A token says nothing of that, and user_service is not waited for at a hello: it is asked afterwards."""

import asyncio
import random
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

import structlog

from gateway_ws.sessions import Sessions
from gateway_ws.user_client import UserClient, UsersUnavailable

_TICK_S = 0.1
"""Those who come within it are asked about together."""

_MOST_AT_ONCE = 1_000
_FIRST_RETRY_S = 0.2
_MAX_RETRY_S = 1.0

log = structlog.get_logger(__name__)


class SessionCheck:
    def __init__(self, sessions: Sessions, users: UserClient) -> None:
        self._sessions = sessions
        self._users = users
        self._unsure: set[UUID] = set()
        self._wanted = asyncio.Event()

    def want(self, session_ids: Iterable[UUID]) -> None:
        """Have these looked up soon, and the connections of those that have ended closed. Tries until it works."""
        self._unsure.update(session_ids)
        self._wanted.set()

    async def run(self) -> None:
        """Look sessions up until cancelled."""
        delay = _FIRST_RETRY_S
        while True:
            await self._wanted.wait()
            await asyncio.sleep(_TICK_S)
            self._wanted.clear()
            try:
                await self._look_up()
                delay = _FIRST_RETRY_S
            except UsersUnavailable as error:
                log.warning("sessions_not_checked", sessions=len(self._unsure), reason=str(error))
                self._wanted.set()
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(_MAX_RETRY_S, delay * 2)

    async def _look_up(self) -> None:
        # of the others nobody is here any more
        self._unsure &= self._sessions.ids()
        while asked := set(islice(self._unsure, _MOST_AT_ONCE)):
            # before the answer: who is wanted while it is under way is asked about once more
            self._unsure -= asked
            try:
                active = await self._users.active_sessions(list(asked))
            except UsersUnavailable:
                self._unsure |= asked
                raise
            self._sessions.end(asked.difference(active))
