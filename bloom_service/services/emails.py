"""What the service does: learns of emails from changes, and answers for them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from prometheus_client import Gauge

from bloom_service import metrics
from bloom_service.freshness import Freshness
from bloom_service.generations import Change, Generation, Generations, Reason
from bloom_service.schemas import Stats, Young
from bloom_service.snapshot import FilterFiles
from common.errors import Unavailable

_CHANGES_AT_ONCE = 1_000

log = structlog.get_logger(__name__)


class Behind(Unavailable):
    code = "behind"

    def __init__(self, detail: str) -> None:
        super().__init__(f"No answer would be certain: {detail}.")


class Emails:
    """Opened once, before anything is asked of it. `connected` says whether events arrive at present."""

    generations: Generations

    def __init__(self, files: FilterFiles, freshness: Freshness, connected: Callable[[], bool]) -> None:
        self._files = files
        self._freshness = freshness
        self._connected = connected
        # the generations that are ready do not change while they are written
        self._writing = asyncio.Lock()
        self._rebuild_wanted = asyncio.Event()

    async def open(self) -> None:
        """Raises OSError where the files can't be read or written."""
        self.generations = await asyncio.to_thread(self._files.load)
        self._show()

    def close(self) -> None:
        self._files.close()

    async def apply(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are in the filter and on disk. Raises OSError: then all must come again."""
        for start in range(0, len(changes), _CHANGES_AT_ONCE):
            await self._apply(changes[start : start + _CHANGES_AT_ONCE])

    async def _apply(self, changes: Sequence[Change]) -> None:
        async with self._writing:
            if self._files.wants_folding:
                await self._fold()
            await asyncio.to_thread(self._files.append, changes)
            for change in changes:
                for dropped in self.generations.apply(change):
                    log.warning("generation_dropped", generation=dropped.number, key_id=dropped.key_id)
        self._look_for_rebuilds()

    def hear(self, as_of: datetime, key_ids: Sequence[str]) -> None:
        """Of all that happened before a moment, and of the keys that user_service has."""
        self._freshness.heard(as_of)
        self.generations.hear_of(key_ids)
        self._look_for_rebuilds()

    def check(self, digests: Sequence[str], key_id: str | None) -> list[bool]:
        """False where no such email is registered. Raises 503 `behind` while that can't be said with certainty."""
        if (behind := self.behind(key_id)) is not None:
            raise Behind(behind)
        generation = self.generations.under(key_id)
        return [generation is None or digest in generation.filter for digest in digests]

    def behind(self, key_id: str | None = None) -> str | None:
        """What keeps a "no" under a key from being certain, or None."""
        if not self._connected():
            return "the broker can't be reached"
        if (behind := self._freshness.behind()) is not None:
            return behind
        if self.generations.under(key_id) is not None:
            return None
        young = self.generations.young
        if young is None:
            return "there is no filter under the key of the question"
        return f"the filter is being made anew, and {young.exported} accounts have been read so far"

    def command_rebuild(self) -> list[str]:
        """Have the filter made anew. The keys under which that will be done."""
        self.generations.command()
        self._look_for_rebuilds()
        return list(self.generations.key_ids)

    async def rebuild_wanted(self) -> tuple[str, Reason]:
        """Wait until another generation is needed: under which key, and why."""
        while (wanted := self.generations.wanted) is None:
            self._rebuild_wanted.clear()
            await self._rebuild_wanted.wait()
        return wanted

    async def swap(self, young: Generation) -> bool:
        """All of the export is in it: have it answer, unless it has been dropped meanwhile. Says whether it does."""
        async with self._writing:
            swapped = self.generations.swap(young)
            await self._fold()
        return swapped

    def stats(self) -> Stats:
        generations = self.generations
        now, young = generations.current, generations.young
        return Stats(
            generation=now.number if now else 0,
            key_id=now.key_id if now else None,
            count=len(now.filter) if now else 0,
            deleted=now.deleted if now else 0,
            capacity=now.filter.capacity if now else generations.capacity,
            target_error_rate=now.filter.error_rate if now else generations.error_rate,
            estimated_error_rate=now.filter.estimated_error_rate if now else 0.0,
            size_bytes=now.filter.size_bytes if now else 0,
            last_event_id=now.last_event_id if now else None,
            ready={key_id: one.number for key_id, one in generations.ready.items()},
            rebuilding=_young(young) if young else None,
        )

    def _look_for_rebuilds(self) -> None:
        if self.generations.wanted is not None:
            self._rebuild_wanted.set()

    async def _fold(self) -> None:
        try:
            await asyncio.to_thread(self._files.fold, self.generations)
        except OSError as error:
            # nothing is lost: the journal has it all, or none is written to until this has succeeded
            log.error("filter_not_folded", reason=str(error))

    def _show(self) -> None:
        generations = self.generations

        def of_current(gauge: Gauge, value: Callable[[Generation], float]) -> None:
            gauge.set_function(lambda: value(now) if (now := generations.current) is not None else 0.0)

        of_current(metrics.MEMBERS, lambda now: len(now.filter))
        of_current(metrics.DELETED_SHARE, lambda now: now.deleted_share)
        of_current(metrics.FILL, lambda now: now.filter.fill)
        of_current(metrics.ERROR_RATE, lambda now: now.filter.estimated_error_rate)
        of_current(metrics.GENERATION, lambda now: now.number)
        metrics.READY.set_function(lambda: len(generations.ready))
        metrics.LAG.set_function(self._freshness.lag)
        metrics.BEHIND.set_function(lambda: self.behind() is not None)
        metrics.REBUILDING.set_function(lambda: generations.young is not None)
        metrics.REBUILD_ACCOUNTS.set_function(lambda: generations.young.exported if generations.young else 0)


def _young(generation: Generation) -> Young:
    return Young(
        generation=generation.number,
        key_id=generation.key_id,
        capacity=generation.filter.capacity,
        accounts=generation.exported,
    )
