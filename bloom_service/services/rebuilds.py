"""Makes generations: begins a young one, adds all of user_service's export to it, has it swapped in."""

import asyncio
import time
from itertools import count
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from bloom_service import metrics
from bloom_service.export import Export, ExportUnavailable
from bloom_service.generations import DIGEST_CHARACTERS, Generation
from bloom_service.services.emails import Emails
from contracts.internal_http import EmailDigests
from messaging.bus import RetryPolicy

_RETRY = RetryPolicy(first_delay=0.2, max_delay=10.0)
_PAUSE = RetryPolicy(first_delay=1.0, max_delay=60.0)
"""After generations that were dropped while they were young: what dropped them may go on for a while."""

_PROGRESS_EVERY_S = 5.0
PER_SECOND = 160_000
"""Digests fetched at most: more would take user_service more than a tenth of what it can do (bench/RESULTS.md)."""

_CHARACTERS_AT_ONCE = 200 * DIGEST_CHARACTERS
"""So many are added between two turns of the event loop, which answers meanwhile: 200 digests take a millisecond. (A
thread would take the interpreter from it for five.)"""

log = structlog.get_logger(__name__)


class Rebuilds:
    """One after the other, as they are wanted."""

    def __init__(self, emails: Emails, export: Export) -> None:
        self._emails = emails
        self._export = export

    async def run(self) -> None:
        """Until cancelled. A user_service that is away is waited for, with growing delays."""
        failures = 0
        while True:
            key_id, reason = await self._emails.rebuild_wanted()
            young = self._emails.generations.begin(key_id)
            metrics.REBUILDS.labels(reason.name.lower()).inc()
            with bound_contextvars(generation=young.number, key_id=key_id):
                log.info("rebuild_began", reason=reason.value, capacity=young.filter.capacity)
                made = await self._make(young)
            failures = 0 if made else failures + 1
            if failures:
                await asyncio.sleep(_PAUSE.delay(failures))

    async def _make(self, young: Generation) -> bool:
        began = time.monotonic()
        try:
            if await self._fill(young) and await self._emails.swap(young):
                log.info("rebuild_done", accounts=young.exported, seconds=round(time.monotonic() - began, 1))
                return True
            log.warning("rebuild_given_up", accounts=young.exported)
        except Exception:
            log.exception("rebuild_failed", accounts=young.exported)
        self._emails.generations.drop(young)
        return False

    async def _fill(self, young: Generation) -> bool:
        """Add all of the export, one page while the next is fetched, at a fair pace. Says whether all of it is in."""
        told_at = time.monotonic()
        page = await self._page(young, None)
        while page is not None:
            async with asyncio.TaskGroup() as group:
                fetching = group.create_task(self._page(young, page.next)) if page.next else None
                if fetching is not None:
                    group.create_task(asyncio.sleep(len(page.digests) / DIGEST_CHARACTERS / PER_SECOND))
                await self._add(young, page.digests)
            if fetching is None:
                return True
            page = fetching.result()
            if time.monotonic() - told_at > _PROGRESS_EVERY_S:
                told_at = time.monotonic()
                log.info("rebuild_goes_on", accounts=young.exported)
        return False

    async def _add(self, young: Generation, digests: str) -> None:
        for start in range(0, len(digests), _CHARACTERS_AT_ONCE):
            young.add(digests[start : start + _CHARACTERS_AT_ONCE])
            await asyncio.sleep(0)

    async def _page(self, young: Generation, after: UUID | None) -> EmailDigests | None:
        """However long it takes; None if the generation has been dropped, or its key can't be had and was given up."""
        generations = self._emails.generations
        for attempt in count(1):
            if generations.young is not young:
                break
            try:
                return await self._export.page(young.key_id, after)
            except ExportUnavailable as error:
                log.warning("rebuild_waits", attempt=attempt, reason=str(error))
            if young.key_id not in generations.key_ids:
                break
            await asyncio.sleep(_RETRY.delay(attempt))
        return None
