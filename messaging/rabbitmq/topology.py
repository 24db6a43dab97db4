"""What exchanges and queues are like at the broker, and declaring them.

What is declared once can only be declared again with the same arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

from aio_pika.abc import AbstractChannel, AbstractQueue

from messaging.bus import Binding, Topology
from messaging.dead_letters import dead_letter_queue

# Handlers' failures are counted in the process. The broker counts what no process lives to count, and every lost
# connection too, for all that was prefetched: hence many.
DELIVERY_LIMIT = 50

# A dead letter is there for a person to look at, as often as need be. RabbitMQ 4 drops after 20 times by default.
DEAD_LETTER_DELIVERY_LIMIT = 1_000_000


Arguments = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """`exclusive`: dies with the connection that has declared it."""

    name: str
    durable: bool
    exclusive: bool
    arguments: Arguments
    bindings: tuple[Binding, ...]


def exchanges(topology: Topology) -> Iterator[Exchange]:
    for name in topology.exchanges:
        yield Exchange(name, "direct", durable=True)


def durable_queues(topology: Topology) -> Iterator[Queue]:
    """Each after the queue of its dead letters."""
    for name, bindings in topology.queues.items():
        of_dead_letters: Arguments = {"x-queue-type": "quorum", "x-delivery-limit": DEAD_LETTER_DELIVERY_LIMIT}
        yield Queue(dead_letter_queue(name), durable=True, exclusive=False, arguments=of_dead_letters, bindings=())
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_letter_queue(name),
        }
        yield Queue(name, durable=True, exclusive=False, arguments=arguments, bindings=bindings)


def broadcast_queue(name: str, max_length: int) -> Queue:
    """Its name is new: the former one may not be dead yet (RESOURCE_LOCKED)."""
    arguments: Arguments = {"x-max-length": max_length, "x-overflow": "drop-head"}
    return Queue(f"{name}.{uuid4().hex}", durable=False, exclusive=True, arguments=arguments, bindings=())


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    for exchange in exchanges(topology):
        await channel.declare_exchange(exchange.name, exchange.type, durable=exchange.durable)
    for queue in durable_queues(topology):
        await declare_queue(channel, queue)


async def declare_queue(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    declared = await channel.declare_queue(
        queue.name, durable=queue.durable, exclusive=queue.exclusive, arguments=dict(queue.arguments)
    )
    for binding in queue.bindings:
        await declared.bind(binding.exchange, binding.key)
    return declared
