"""What the service does: learns of emails from changes, and answers for them."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Gauge

from bloom_service.freshness import Freshness
from bloom_service.schemas import Stats
from bloom_service.snapshot import Change, FilterFiles
from common.errors import Unavailable

MEMBERS = Gauge("parley_bloom_members", "Digests in the filter, deleted ones included")
DELETED = Gauge("parley_bloom_deleted", "Digests in the filter whose account was deleted")
FILL = Gauge("parley_bloom_fill", "How full the newest layer is, from 0 to 1")
ERROR_RATE = Gauge("parley_bloom_estimated_error_rate", "The share of unknown digests that are called known")
LAG = Gauge("parley_bloom_lag_seconds", "How far behind the filter may be; infinite until it has caught up once")
BEHIND = Gauge("parley_bloom_behind", "1 while the filter may not answer")
COMPLETE = Gauge("parley_bloom_complete", "1 if no registration can be missing from the filter")

log = structlog.get_logger(__name__)


class Behind(Unavailable):
    code = "behind"

    def __init__(self, detail: str) -> None:
        super().__init__(f"No answer would be certain: {detail}.")


class Emails:
    """Opened once, before anything is asked of it. `connected` says whether events arrive at present."""

    def __init__(self, files: FilterFiles, freshness: Freshness, connected: Callable[[], bool]) -> None:
        self._files = files
        self._freshness = freshness
        self._connected = connected

    async def open(self) -> None:
        """Raises OSError where the files can't be read or written."""
        self._filter = await asyncio.to_thread(self._files.load)
        self._show()

    def close(self) -> None:
        self._files.close()

    async def apply(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are in the filter and on disk. Raises OSError, having changed nothing."""
        if not changes:
            return
        await asyncio.to_thread(self._files.append, changes)
        for change in changes:
            change.apply(self._filter)
        if self._files.wants_folding:
            await self._fold()

    @property
    def complete(self) -> bool:
        return self._filter.complete

    def check(self, digests: Sequence[str]) -> list[bool]:
        """False where no such email is registered. Raises 503 `behind` while that can't be said with certainty."""
        behind = self.behind()
        if behind is not None:
            raise Behind(behind)
        return [digest in self._filter for digest in digests]

    def behind(self) -> str | None:
        """What keeps a "no" from being certain, or None."""
        if not self._connected():
            return "the broker can't be reached"
        if not self._filter.complete:
            return "the filter does not know all accounts: it was lost, or began after the first registration"
        return self._freshness.behind()

    def stats(self) -> Stats:
        filter = self._filter
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

    async def _fold(self) -> None:
        try:
            await asyncio.to_thread(self._files.fold, self._filter)
        except OSError as error:
            # nothing is lost: the journal has it all, goes on, and is folded at another time
            log.error("filter_not_folded", reason=str(error))

    def _show(self) -> None:
        filter = self._filter
        MEMBERS.set_function(lambda: len(filter))
        DELETED.set_function(lambda: filter.deleted)
        FILL.set_function(lambda: filter.fill)
        ERROR_RATE.set_function(lambda: filter.estimated_error_rate)
        LAG.set_function(self._freshness.lag)
        BEHIND.set_function(lambda: self.behind() is not None)
        COMPLETE.set_function(lambda: filter.complete)
