"""What the service does: learns of emails from changes, and answers for them."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import Gauge

from bloom_service.bloom import EmailFilter
from bloom_service.freshness import Freshness
from bloom_service.schemas import Stats
from bloom_service.snapshot import Change, FilterFiles
from common.errors import Unavailable

MEMBERS = Gauge("parley_bloom_members", "Digests in the filter, deleted ones included")
DELETED = Gauge("parley_bloom_deleted", "Digests in the filter whose account was deleted")
FILL = Gauge("parley_bloom_fill", "How full the newest layer is, from 0 to 1")
LAG = Gauge("parley_bloom_lag_seconds", "How far behind the filter may be; infinite until it has caught up once")
COMPLETE = Gauge("parley_bloom_complete", "1 if no registration can be missing from the filter")


class Behind(Unavailable):
    def __init__(self, detail: str) -> None:
        super().__init__(f"No answer would be certain: {detail}.", "behind")


class Emails:
    """`connected` says whether events arrive at present."""

    def __init__(self, files: FilterFiles, freshness: Freshness, connected: Callable[[], bool]) -> None:
        self._files = files
        self._freshness = freshness
        self._connected = connected
        self._filter: EmailFilter | None = None
        self._loading = asyncio.Lock()

    async def apply(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are in the filter and on disk. Raises OSError, having changed nothing."""
        filter = await self._loaded()
        if not changes:
            return
        await asyncio.to_thread(self._files.append, changes)
        for change in changes:
            change.apply(filter)
        if self._files.wants_folding:
            await asyncio.to_thread(self._files.fold, filter)
        self._measure(filter)

    async def is_complete(self) -> bool:
        return (await self._loaded()).complete

    async def check(self, digests: Sequence[str]) -> list[bool]:
        """False where no such email is registered. Raises 503 `behind` while that can't be said with certainty."""
        behind = await self.behind()
        if behind is not None:
            raise Behind(behind)
        filter = await self._loaded()
        return [digest in filter for digest in digests]

    async def behind(self) -> str | None:
        """What keeps a "no" from being certain, or None."""
        filter = await self._loaded()
        LAG.set(self._freshness.lag())
        if not self._connected():
            return "the broker can't be reached"
        if not filter.complete:
            return "the filter does not know all accounts: it was lost, or began after the first registration"
        return self._freshness.behind()

    async def stats(self) -> Stats:
        filter = await self._loaded()
        return Stats(
            generation=self._files.generation,
            count=len(filter),
            deleted=filter.deleted,
            capacity=filter.capacity,
            target_error_rate=filter.error_rate,
            estimated_error_rate=filter.estimated_error_rate,
            size_bytes=filter.size_bytes,
            last_event_id=filter.last_event_id,
        )

    async def close(self) -> None:
        if self._filter is not None:
            await asyncio.to_thread(self._files.fold, self._filter)
            self._files.close()

    async def _loaded(self) -> EmailFilter:
        async with self._loading:
            if self._filter is None:
                self._filter = await asyncio.to_thread(self._files.load)
                self._measure(self._filter)
            return self._filter

    def _measure(self, filter: EmailFilter) -> None:
        MEMBERS.set(len(filter))
        DELETED.set(filter.deleted)
        FILL.set(filter.fill)
        COMPLETE.set(filter.complete)
