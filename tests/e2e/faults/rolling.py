"""Everything ended and started again in turn, as an operator does it, under load."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass

from tests.e2e.faults.processes import end
from tests.e2e.faults.stack import FaultyStack, Part
from tests.e2e.faults.workload import Workload
from tests.support.eventually import eventually

KIND = "rolling restart"
_ENTRANCE = "caddy"
_BEHIND_IT = ("user_service", "chat_service")
_TRIES_WRITES_AGAIN = (2, 11, 2)
"""The proxy's first version that hands a write to another replica when the one it chose does not listen (Caddy, pull
request 7547): all before can only answer 503, and whoever writes has to send it again."""
RECONNECTS_PER_STEP = 1
_HEALTHY_WITHIN_S = 60
_SHOWN = 4
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Step:
    """What ending and starting one part has cost."""

    part: Part
    seconds: float
    served_after: float
    reconnects: int
    """Of the client that had most of them."""

    errors: dict[str, list[str]]
    """By client, of those who were told any."""

    refused: int
    """Writes that this version of the proxy has not tried again."""

    has_ended: bool
    """By itself in the time that it is given, not by SIGKILL."""

    @property
    def kept(self) -> bool:
        """It ended by itself; one reconnect at most, which worked at once, and not one error."""
        return self.has_ended and self.reconnects <= RECONNECTS_PER_STEP and not self.errors

    def __str__(self) -> str:
        told = Counter(_ID.sub("{id}", error) for errors in self.errors.values() for error in errors)
        errors = ", ".join(f"{times} times {error}" for error, times in told.most_common(_SHOWN)) or "no error"
        if self.refused:
            errors += f" but {self.refused} writes that a proxy before version {_named(_TRIES_WRITES_AGAIN)} gives up"
        killed = "" if self.has_ended else "had to be killed, "
        return (
            f"{self.part}: {killed}{self.seconds:.1f} s until healthy, served after {self.served_after:.1f} s, "
            f"at most {self.reconnects} reconnects, {errors}"
        )


async def restart(stack: FaultyStack, workload: Workload, part: Part, *, within: float) -> Step:
    """SIGTERM, start, wait until it is healthy and everybody is served."""
    since = time.monotonic()
    has_ended = await end(stack, part)
    await stack.start(part)

    async def is_healthy() -> bool:
        return await asyncio.to_thread(stack.health, part) == "healthy"

    await eventually(is_healthy, within=_HEALTHY_WITHIN_S, every=0.2)
    seconds = time.monotonic() - since
    served_after = await workload.served(within=within)
    # where every connection is to the part itself, to have to connect again is the one reconnect
    told = workload.errors(since, answered=part.service == _ENTRANCE)
    refused = 0
    if part.service in _BEHIND_IT and await asyncio.to_thread(_version, stack) < _TRIES_WRITES_AGAIN:
        refused = sum(_is_refused_write(error) for errors in told.values() for error in errors)
        told = {name: [error for error in errors if not _is_refused_write(error)] for name, errors in told.items()}
    errors = {name: errors for name, errors in told.items() if errors}
    return Step(part, seconds, served_after, max(workload.reconnects(since).values()), errors, refused, has_ended)


def _is_refused_write(error: str) -> bool:
    """What does not begin with its method is asked for with POST or DELETE."""
    return error.endswith(": 503") and not error.startswith("GET ")


def _version(stack: FaultyStack) -> tuple[int, ...]:
    """Of the proxy."""
    told = stack.container(Part(_ENTRANCE)).exec_run(["caddy", "version"]).output.decode()
    return tuple(int(number) for number in re.findall(r"\d+", told)[:3])


def _named(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
