"""Which rooms' shards this gateway's queue is bound to: those of the rooms that somebody here listens to."""

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

from contracts.routing import ROOMS, shard
from messaging.bus import Binding, Broadcast


class Shards:
    def __init__(self, queue: Broadcast) -> None:
        self._queue = queue
        self._bound: set[str] = set()
        self._changing = asyncio.Lock()

    async def bind(self, room_ids: Iterable[UUID]) -> None:
        """Returns when the entries of these rooms are sure to arrive."""
        wanted = {shard(room_id) for room_id in room_ids}
        if wanted <= self._bound:
            return
        async with self._changing:
            new = wanted - self._bound
            if new:
                await self._queue.bind([Binding(ROOMS, key) for key in sorted(new)])
                self._bound |= new

    async def keep(self, rooms: Callable[[], Iterable[UUID]]) -> None:
        """Unbind all shards but those of the rooms that `rooms` then returns."""
        async with self._changing:
            idle = self._bound - {shard(room_id) for room_id in rooms()}
            if idle:
                # first forgotten, so that whoever needs one meanwhile waits for the lock and binds it again
                self._bound -= idle
                await self._queue.unbind([Binding(ROOMS, key) for key in sorted(idle)])
