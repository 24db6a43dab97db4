"""`python -m bench.presence`: what presence costs the gateways, as watchers grow in number, and everybody else.

Two gateways in one process, on the in-process bus; real sockets; the clients in another process, so that what is
measured is the gateways' own CPU time. Watchers are at the first gateway. Whom they watch comes and goes at the second,
where all those are whom nobody watches.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.machine import Machine
from bench.markdown import ratios, table
from bench.presence_server import serve
from tests.support.client import Socket, open_socket

RESULTS = Path(__file__).parent / "results" / "presence.md"

COMINGS_AND_GOINGS = 20
WATCHERS = (0, 10, 100, 1_000)
UNWATCHED = (0, 500, 1_000)
WATCHING = (1, 10, 100)
WATCHED_EACH = 100
AT_ONCE = 50
IDLE_S = 11.0
SETTLED_S = 1.5
"""Until all that is to be told of a new set has been told."""


class Gateways:
    """The gateways' process, as seen from here."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._ports: tuple[int, int] = pipe.recv()

    async def ask(self, *asked: Any) -> Any:
        self._pipe.send(asked)
        return await asyncio.to_thread(self._pipe.recv)

    async def connect(self, gateway: int, number: int) -> list[Socket]:
        users = await self.ask("tokens", gateway, number)
        sockets: list[Socket] = []
        for start in range(0, number, AT_ONCE):
            tokens = [token for _, token in users[start : start + AT_ONCE]]
            sockets += await asyncio.gather(*(self.connect_one(gateway, token) for token in tokens))
        return sockets

    async def connect_one(self, gateway: int, token: str) -> Socket:
        socket = await open_socket(f"http://127.0.0.1:{self._ports[gateway]}")
        await socket.hello(token)
        return socket


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one coming or going, beyond what the same time costs when nobody does: of whoever does it, and of all who
    are told."""

    cpu_ms: float
    messages: float
    told: float


@asynccontextmanager
async def gateways() -> AsyncIterator[Gateways]:
    context = multiprocessing.get_context("spawn")
    pipe, other_end = context.Pipe()
    process = context.Process(target=serve, args=(other_end,))
    process.start()
    try:
        yield await asyncio.to_thread(Gateways, pipe)
    finally:
        pipe.send("stop")
        await asyncio.to_thread(process.join)


async def cost_of_a_change(watchers: int, unwatched: int) -> Cost:
    async with gateways() as site:
        crowd = await site.connect(0, watchers)
        others = await site.connect(1, unwatched)
        ((user_id, token),) = await site.ask("tokens", 1, 1)
        await asyncio.gather(*(watch(socket, [user_id]) for socket in crowd))
        await asyncio.sleep(SETTLED_S)
        idle_ms_per_s = await cost_of_idling(site)
        before, began = await site.ask("cost"), time.monotonic()
        for _ in range(COMINGS_AND_GOINGS):
            socket = await site.connect_one(1, token)
            await all_are_told(crowd, online=True)
            await socket.close()
            await all_are_told(crowd, online=False)
        cost = [after - first for after, first in zip(await site.ask("cost"), before, strict=True)]
        idle_ms = idle_ms_per_s * (time.monotonic() - began)
        told = sum(len(socket.received("presence")) - 1 for socket in crowd)
        await close([*crowd, *others])
    changes = 2 * COMINGS_AND_GOINGS
    return Cost((1000 * cost[0] - idle_ms) / changes, cost[1] / changes, told / changes)


async def cost_of_idling(site: Gateways) -> float:
    """CPU milliseconds per second in which nothing changes: sweeps, pings, questions asked again."""
    (before, _) = await site.ask("cost")
    await asyncio.sleep(IDLE_S)
    (after, _) = await site.ask("cost")
    return 1000 * float(after - before) / IDLE_S


async def watch(socket: Socket, user_ids: Sequence[str]) -> None:
    await socket.send_raw(json.dumps({"type": "watch", "user_ids": list(user_ids)}))


async def all_are_told(crowd: Iterable[Socket], *, online: bool) -> None:
    await asyncio.sleep(0.25)  # without watchers as long as with them
    for socket in crowd:
        await socket.expect("presence", online=online, within=30)


async def memory_of_watching(watchers: int) -> int:
    """Bytes for so many connections that watch a hundred users each, no two the same."""
    async with gateways() as site:
        crowd = await site.connect(0, watchers)
        watched = [[user_id for user_id, _ in await site.ask("tokens", 1, WATCHED_EACH)] for _ in crowd]
        await site.ask("trace memory")
        for socket, user_ids in zip(crowd, watched, strict=True):
            await watch(socket, user_ids)
        for socket, user_ids in zip(crowd, watched, strict=True):
            for user_id in user_ids:
                await socket.expect("presence", user_id=user_id, within=60)
        size: int = await site.ask("traced memory")
        await close(crowd)
    return size


async def close(sockets: Sequence[Socket]) -> None:
    for start in range(0, len(sockets), AT_ONCE):
        await asyncio.gather(*(socket.close() for socket in sockets[start : start + AT_ONCE]))


async def measure() -> str:
    by_watchers = {number: await cost_of_a_change(number, 0) for number in WATCHERS}
    by_unwatched = {number: await cost_of_a_change(100, number) for number in UNWATCHED}
    by_watched = {number * WATCHED_EACH: await memory_of_watching(number) for number in WATCHING}
    return "\n".join((HEAD.format(machine=Machine.this()), *tables(by_watchers, by_unwatched, by_watched)))


HEAD = """\
# Presence
`python -m bench.presence` on {machine}.

A change is one coming or going of a watched user, with its handshake and hello; what the same time costs when nothing
changes is taken off. A ratio is to the row before.
"""


def tables(
    by_watchers: Mapping[int, Cost], by_unwatched: Mapping[int, Cost], by_watched: Mapping[int, int]
) -> tuple[str, str, str]:
    alone = by_watchers[0].cpu_ms
    for_watchers = [cost.cpu_ms - alone for cost in by_watchers.values()]
    watchers = table(
        (
            "watchers",
            "CPU ms per change",
            "of it for watchers",
            "ratio",
            "µs per watcher told",
            "bus messages per change",
        ),
        (
            (
                f"{number:,}",
                f"{cost.cpu_ms:.2f}",
                f"{extra:.2f}",
                ratio,
                each(1000 * extra, cost.told),
                f"{cost.messages:.2f}",
            )
            for (number, cost), extra, ratio in zip(
                by_watchers.items(), for_watchers, ratios(for_watchers), strict=True
            )
        ),
    )
    unwatched = table(
        ("unwatched connections", "CPU ms per change, 100 watchers", "ratio", "bus messages per change"),
        (
            (f"{number:,}", f"{cost.cpu_ms:.2f}", ratio, f"{cost.messages:.2f}")
            for (number, cost), ratio in zip(
                by_unwatched.items(), ratios(cost.cpu_ms for cost in by_unwatched.values()), strict=True
            )
        ),
    )
    watched = table(
        ("watched users", "bytes for them at both gateways", "ratio", "bytes each"),
        (
            (f"{number:,}", f"{size:,}", ratio, each(size, number))
            for (number, size), ratio in zip(by_watched.items(), ratios(by_watched.values()), strict=True)
        ),
    )
    return watchers, unwatched, watched


def each(sum: float, number: float) -> str:
    return f"{sum / number:,.1f}" if number else ""


if __name__ == "__main__":
    results = asyncio.run(measure())
    RESULTS.write_text(results)
    sys.stdout.write(results)
