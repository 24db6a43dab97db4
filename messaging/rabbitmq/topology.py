"""Declaring exchanges and queues. What is declared once can only be declared again with the same arguments."""

from uuid import uuid4

from aio_pika.abc import AbstractChannel, AbstractQueue

from messaging.bus import Topology
from messaging.dead_letters import dead_letter_queue

# Handlers' failures are counted in the process. The broker counts what no process lives to count, and every lost
# connection too, for all that was prefetched: hence many.
DELIVERY_LIMIT = 50

# A dead letter is there for a person to look at, as often as need be. RabbitMQ 4 drops after 20 times by default.
DEAD_LETTER_DELIVERY_LIMIT = 1_000_000


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange, "direct", durable=True)
    for name, bindings in topology.queues.items():
        await channel.declare_queue(
            dead_letter_queue(name),
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": DEAD_LETTER_DELIVERY_LIMIT},
        )
        queue = await channel.declare_queue(
            name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-single-active-consumer": True,
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead_letter_queue(name),
            },
        )
        for binding in bindings:
            await queue.bind(binding.exchange, binding.key)


async def declare_broadcast_queue(channel: AbstractChannel, name: str, max_length: int) -> AbstractQueue:
    """A queue that dies with the connection. Its name is new: the former one may not be dead yet (RESOURCE_LOCKED)."""
    return await channel.declare_queue(
        f"{name}.{uuid4().hex}",
        exclusive=True,
        arguments={"x-max-length": max_length, "x-overflow": "drop-head"},
    )
