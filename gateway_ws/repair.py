"""Finds what the hub has not heard, and fetches it.

A hole in a room's seqs is given a moment, since two replicas may broadcast neighbouring entries in either order. A lost
last entry leaves no hole: for that all heads are compared now and then.
"""

import asyncio
from collections.abc import Callable, Mapping
from uuid import UUID

import structlog
from prometheus_client import Counter

from contracts.messages import RoomEntry
from gateway_ws.chat_client import ChatClient, ChatUnavailable
from gateway_ws.hub import Hub

REPAIRED = Counter("parley_gateway_repaired_entries", "Entries that were fetched because they had not arrived")

_PAGE = 200
_ROOMS_AT_ONCE = 1_000
_RETRY_S = 0.5

log = structlog.get_logger(__name__)


class Repair:
    """`take` is told of each entry that was fetched."""

    def __init__(self, hub: Hub, chat: ChatClient, take: Callable[[RoomEntry], None], patience: float) -> None:
        self._hub = hub
        self._chat = chat
        self._take = take
        self._patience = patience
        self._hole_seen = asyncio.Event()

    def hole_seen(self) -> None:
        self._hole_seen.set()

    async def run(self) -> None:
        """Fill holes until cancelled."""
        while True:
            await self._hole_seen.wait()
            self._hole_seen.clear()
            await asyncio.sleep(self._patience)
            while holes := self._hub.holes():
                try:
                    await self._fetch(holes)
                except ChatUnavailable as error:
                    log.warning("holes_wait", rooms=len(holes), reason=str(error))
                if self._hub.holes() == holes:
                    await asyncio.sleep(_RETRY_S)

    async def compare_heads_until_done(self) -> None:
        while True:
            try:
                await self.compare_heads()
            except ChatUnavailable as error:
                log.warning("heads_not_compared", reason=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def compare_heads(self) -> None:
        """Fetch whatever any room has beyond what the hub has heard. Raises `ChatUnavailable`."""
        behind = dict(self._hub.heads())
        while behind:
            behind = await self._fetch(behind)

    async def _fetch(self, after: Mapping[UUID, int]) -> dict[UUID, int]:
        """Take a page of entries per room. Returns where to go on, for the rooms that may have more."""
        more: dict[UUID, int] = {}
        rooms = list(after.items())
        for start in range(0, len(rooms), _ROOMS_AT_ONCE):
            found = await self._chat.entries(dict(rooms[start : start + _ROOMS_AT_ONCE]), _PAGE)
            for room_id, entries in found.entries.items():
                REPAIRED.inc(len(entries))
                for entry in entries:
                    self._take(entry)
                if len(entries) == _PAGE:
                    more[room_id] = entries[-1].seq
        return more
