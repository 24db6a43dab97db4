"""What a broker may do to messages: hand them over late, in another order and twice, or drop what no queue can hold."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

from aio_pika.abc import AbstractIncomingMessage

from contracts.routing import COMMANDS, ROOMS, SHARDS
from contracts.topology import QUEUES
from tests.e2e.faults.fault import Fault
from tests.e2e.faults.held import Held, holding
from tests.e2e.faults.processes import pause
from tests.e2e.faults.stack import PARTS, FaultyStack, Part
from tests.support.eventually import eventually

GATEWAYS = tuple(part for part in PARTS if part.service == "gateway_ws")
_RABBITMQ = Part("rabbitmq")
_POLICY = f"/api/policies/{quote('/', safe='')}/faults"
_PREFETCHED = 400
"""What the broker hands to a gateway that has not acknowledged anything."""

_HELD_ON_S = 5.0
"""At most, where nothing has been met in the time that was drawn."""


@dataclass
class _OfDeliveries(Fault):
    seed: int
    _open: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({_RABBITMQ})

    async def _hold(self, stack: FaultyStack) -> Held:
        return await self._open.enter_async_context(holding(stack.broker_url, self.seed))

    async def _hold_on(self, met: Callable[[], bool]) -> None:
        async def has_met() -> bool:
            return met()

        with suppress(AssertionError):
            await eventually(has_met, within=_HELD_ON_S)


@dataclass
class QueueDeleted(_OfDeliveries):
    """A gateway's queue is gone, under its hands."""

    kind = "gateway's queue deleted"

    def __str__(self) -> str:
        return "a gateway's queue deleted"

    async def inject(self, stack: FaultyStack) -> None:
        await eventually(partial(self._deleted, stack))
        self.bites = 1

    async def _deleted(self, stack: FaultyStack) -> bool:
        """False if it was gone before, with its gateway."""
        name = (await _gateway_queues(stack))[0]
        done = await stack.evaluate(
            f"case rabbit_amqqueue:lookup({_resource(name)}) of "
            '{ok, Queue} -> element(1, rabbit_amqqueue:delete(Queue, false, false, <<"faults">>)); Error -> Error end.'
        )
        return done == "ok"

    async def heal(self, stack: FaultyStack) -> None:
        pass


@dataclass
class QueueFull(_OfDeliveries):
    """The busiest gateway stands still while more comes than its queue may hold: the oldest is dropped."""

    kind = "gateway's queue full"
    _gateway: Part = field(init=False, repr=False)

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset({_RABBITMQ, *GATEWAYS})

    def __str__(self) -> str:
        return f"a gateway's queue full for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        heard, self._dropped = await self._hold(stack), await self._hold(stack)
        for shard in range(SHARDS):
            await heard.queue.bind(ROOMS, str(shard))
        await heard.collect()
        await self._dropped.collect()
        material = await heard.first(within=10)
        busiest = await eventually(partial(_busiest, stack))
        assert busiest is not None
        name, self._gateway = busiest
        await pause(stack, self._gateway)
        limit = {"max-length": 2, "dead-letter-exchange": "", "dead-letter-routing-key": self._dropped.queue.name}
        policy = {"pattern": f"^{re.escape(name)}$", "definition": limit, "apply-to": "queues"}
        await stack.manage("PUT", _POLICY, policy)
        # the broker has handed over what it may, and now has to keep what comes
        for _ in range(_PREFETCHED + 50):
            await heard.give(material, name)

    async def heal(self, stack: FaultyStack) -> None:
        await self._hold_on(lambda: any(map(_died_of_length, self._dropped.messages)))
        await asyncio.to_thread(stack.container(self._gateway).unpause)
        await stack.manage("DELETE", _POLICY)
        self.bites = sum(map(_died_of_length, self._dropped.messages))
        await self._open.aclose()


@dataclass
class LateDeliveries(_OfDeliveries):
    """What the gateways should hear comes late, shuffled, and some of it several times."""

    kind = "deliveries late, shuffled, doubled"
    _held: dict[str, Held] = field(default_factory=dict, init=False)

    def __str__(self) -> str:
        return f"deliveries to the gateways late, shuffled and doubled for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        for name in await _gateway_queues(stack):
            held = self._held[name] = await self._hold(stack)
            await held.begin(partial(_to, name), copies=(1, 1, 2, 3))
            await self._move_bindings(stack, name, held.queue.name)

    async def heal(self, stack: FaultyStack) -> None:
        for name, held in self._held.items():
            await self._move_bindings(stack, held.queue.name, name)
        await asyncio.sleep(0.5)  # for what is on its way
        for held in self._held.values():
            await held.end()
            self.bites += held.given
        await self._open.aclose()

    async def _move_bindings(self, stack: FaultyStack, source: str, destination: str) -> None:
        """Inside the broker: to anybody else a gateway's queue is locked."""
        await stack.evaluate(
            f"To = {_resource(destination)}, "
            f"Bindings = [B || B <- rabbit_binding:list_for_destination({_resource(source)}), "
            "element(4, element(2, B)) =/= <<>>], "
            '[begin rabbit_binding:add(setelement(4, B, To), <<"faults">>), '
            'rabbit_binding:remove(B, <<"faults">>) end || B <- Bindings], ok.'
        )


@dataclass
class Repeated(_OfDeliveries):
    """Every message of an exchange comes again to its durable queues, late and shuffled."""

    exchange: str

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "commands repeated late" if self.exchange == COMMANDS else "user events repeated late"

    def __str__(self) -> str:
        return f"{self.kind} for {self.hold:.0f} s"

    async def inject(self, stack: FaultyStack) -> None:
        self._held = await self._hold(stack)
        for exchange, key in {binding for bindings in QUEUES.values() for binding in bindings}:
            if exchange == self.exchange:
                await self._held.queue.bind(exchange, key)
        await self._held.begin(self._queues, copies=(1, 2))

    async def heal(self, _stack: FaultyStack) -> None:
        await self._hold_on(lambda: bool(self._held.given or self._held.messages))
        await self._held.end()
        self.bites = self._held.given
        await self._open.aclose()

    def _queues(self, message: AbstractIncomingMessage) -> Sequence[str]:
        binding = (self.exchange, message.routing_key or "")
        return [name for name, bindings in QUEUES.items() if binding in bindings]


def _to(queue: str, _: AbstractIncomingMessage) -> Sequence[str]:
    return [queue]


def _resource(queue: str) -> str:
    return f'rabbit_misc:r(<<"/">>, queue, <<"{queue}">>)'


async def _gateway_queues(stack: FaultyStack) -> list[str]:
    """The one that hears the most first."""
    bindings = await stack.manage("GET", "/api/bindings")
    counts = Counter(binding["destination"] for binding in bindings if binding["destination"].startswith("gateway_ws."))
    assert counts, "no gateway has a queue"
    return [name for name, _ in counts.most_common()]


async def _busiest(stack: FaultyStack) -> tuple[str, Part] | None:
    """The queue that hears the most of those that are consumed, and by which gateway, as far as the broker's management
    knows already."""
    addresses = {
        consumer["queue"]["name"]: consumer["channel_details"]["peer_host"]
        for consumer in await stack.manage("GET", "/api/consumers")
        if consumer["channel_details"]
    }
    gateways = {stack.address(part): part for part in GATEWAYS}
    for name in await _gateway_queues(stack):
        if name in addresses and addresses[name] in gateways:
            return name, gateways[addresses[name]]
    return None


def _died_of_length(message: AbstractIncomingMessage) -> bool:
    """Whether it had come from the rooms, and not from the injector."""
    return ROOMS in str(message.headers.get("x-death"))
