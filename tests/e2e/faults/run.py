"""One run: a workload on a stack, faults one after the other, and what there is to be judged in the end."""

import asyncio
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from messaging.dead_letters import dead_letter_queue
from tests.e2e.faults import rolling
from tests.e2e.faults.catalogue import Faults
from tests.e2e.faults.fault import Fault
from tests.e2e.faults.final import of_stack
from tests.e2e.faults.growth import Growth
from tests.e2e.faults.service_logs import errors
from tests.e2e.faults.stack import PARTS, SERVICES, FaultyStack, Part
from tests.e2e.faults.table import Row
from tests.e2e.faults.verdict import Verdict, say
from tests.e2e.faults.workload import Workload
from tests.support.eventually import eventually

GIVEN_UP_AFTER_S = 60
DRAINED_WITHIN_S = 30
FINISHED_WITHIN_S = 120

CLIENTS, ROOMS, RATE = 12, 6, 40.0
SERVED_WITHIN_S = 10.0


class Terms(NamedTuple):
    """`rate` is how many commands all `clients` make together per second. `served_within` is how many seconds it may
    take after one fault until all are served again, and half of what it may after two at once: a miss fails the run at
    its end."""

    clients: int
    rate: float
    served_within: float


AT_ONCE = "two at once"
NOTHING = "nothing yet"


class Run:
    """Everything that is found goes to the verdict."""

    def __init__(self, stack: FaultyStack, workload: Workload, verdict: Verdict, served_within: float) -> None:
        self.growth = Growth()
        self._served_within = served_within
        self._stack = stack
        self._workload = workload
        self._verdict = verdict
        self._counted = (0, 0)
        self._met: set[str] = set()
        self._met_nothing: set[str] = set()

    async def go(self, faults: Iterable[Faults], *, restarts: bool, until: float) -> None:
        """Through the faults, as long as `time.monotonic()` is before `until`, and perhaps a rolling restart."""
        seconds = await self._workload.served(within=GIVEN_UP_AFTER_S)
        say(f"nothing injected yet: served after {seconds:.1f} s")
        await self.growth.sample(self._stack)
        self._count(Row(NOTHING))
        for each in faults:
            if time.monotonic() > until:
                break
            await self._inject(each)
        for kind in sorted(self._met_nothing - self._met):
            self._verdict.fail(f"whenever it was injected, nothing met this fault: {kind}")
        if restarts:
            for part in PARTS:
                await self._restart(part)

    async def judge(self) -> None:
        """Lets everybody come to an end first. Those who can't are named, and judged all the same."""
        try:
            history = await self._workload.finish(within=FINISHED_WITHIN_S)
        except Exception as error:
            self._verdict.fail(f"not finished: {type(error).__name__}: {error}")
            history = self._workload.history
        # what is still on its way may yet become an entry
        await self._drain()
        try:
            final = await asyncio.to_thread(of_stack, self._stack.container(Part("postgres")))
        except Exception as error:
            self._verdict.cannot_judge("stack", history, error)
        else:
            await asyncio.to_thread(self._verdict.judge, "stack", history, final)

    async def _drain(self) -> None:
        depths: dict[str, float] = {}

        async def is_drained() -> bool:
            depths.clear()
            depths.update(await self._stack.queue_depths())
            return not any(depths.values())

        with suppress(AssertionError):
            await eventually(is_drained, within=DRAINED_WITHIN_S, every=0.5)
        for name, depth in depths.items():
            if depth:
                what = "dead letters" if name.endswith(dead_letter_queue("")) else "messages"
                self._verdict.fail(f"{depth} {what} left in {name}")

    def inspect(self) -> None:
        """What has become of the parts, and what stands in their logs."""
        for sentence in self.growth.outgrown():
            self._verdict.fail(sentence)
        for service in SERVICES:
            for what, times in errors(self._stack.log_of(service)).items():
                self._verdict.fail(f"{service} logged {times} times: {what}")

    async def _inject(self, faults: Faults) -> None:
        row = Row(faults[0].kind if len(faults) == 1 else AT_ONCE)
        told = " and ".join(map(str, faults))
        self._verdict.begin(row.fault)
        try:
            async with asyncio.TaskGroup() as group:
                for fault in faults:
                    group.create_task(self._hold(fault))
            seconds = await self._workload.served(within=GIVEN_UP_AFTER_S)
        except* Exception as errors:
            self._verdict.table.add(Row(row.fault, times=len(faults), served_after=[math.inf]))
            why = "; ".join(f"{type(error).__name__}: {error}" for error in errors.exceptions)
            raise AssertionError(f"after {told}: {why}") from errors
        row.served_after.append(seconds)
        row.times = sum(fault.bites > 0 for fault in faults)
        self._met.update(fault.kind for fault in faults if fault.bites)
        self._met_nothing.update(fault.kind for fault in faults if not fault.bites)
        blanks = "".join(f" ({fault} met nothing)" for fault in faults if not fault.bites)
        say(f"{told}: served after {seconds:.1f} s{blanks}")
        self._see_served(told, seconds, self._served_within * len(faults))
        await self.growth.sample(self._stack)
        self._count(row)

    async def _hold(self, fault: Fault) -> None:
        await fault.inject(self._stack)
        await asyncio.sleep(fault.hold)
        await fault.heal(self._stack)

    def _count(self, row: Row) -> None:
        """All that was done since the last time belongs to this row."""
        done = self._workload.commands, self._workload.entries
        row.commands, row.entries = (now - before for now, before in zip(done, self._counted, strict=True))
        self._counted = done
        self._verdict.table.add(row)

    async def _restart(self, part: Part) -> None:
        self._verdict.begin(rolling.KIND)
        step = await rolling.restart(self._stack, self._workload, part, within=GIVEN_UP_AFTER_S)
        told = f"{rolling.KIND}, {step}"
        say(told)
        if not step.kept:
            self._verdict.fail(told)
        self._see_served(told, step.served_after, self._served_within)
        await self.growth.sample(self._stack)
        self._count(Row(rolling.KIND, 1, served_after=[step.served_after]))

    def _see_served(self, told: str, seconds: float, within: float) -> None:
        if seconds > within:
            self._verdict.fail(f"not served within {within:g} s, but after {seconds:.1f} s: {told}")


async def run(
    stack: FaultyStack, verdict: Verdict, faults: Iterable[Faults], terms: Terms, *, restarts: bool, until: float
) -> None:
    """Whatever happens, all that can be learnt is in the verdict."""
    workload = await Workload.start(stack.base_url, verdict.seed, clients=terms.clients, rooms=ROOMS, rate=terms.rate)
    one = Run(stack, workload, verdict, terms.served_within)
    verdict.growth = one.growth
    try:
        try:
            await one.go(faults, restarts=restarts, until=until)
        except Exception as error:
            verdict.fail(f"given up: {type(error).__name__}: {error}")
            with suppress(Exception):  # what was done until then is judged all the same
                await stack.repair()
        await one.judge()
    finally:
        await workload.stop()
    one.inspect()
