"""Consuming one queue on a channel of its own, which is what lets one ack settle a whole batch."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq.abc import AbstractChannel, DeliveredMessage

from messaging.backlog import Backlog
from messaging.rabbitmq.codec import decode


async def start_consuming(channel: AbstractChannel, queue: str, batch_size: int, priority: int) -> Backlog[int]:
    """Let the broker bring what is in the queue; receipts are delivery tags.

    This is below aio_pika's `Queue.consume`, which starts two more tasks for each message, and fails on one whose
    properties it does not like, leaving it neither handled nor given back.
    """
    backlog: Backlog[int] = Backlog(partial(_acknowledge, channel))

    async def arrived(message: DeliveredMessage) -> None:
        # must not suspend: deliveries are in order because the tasks that bring them run to their end in turn
        backlog.add(decode(message), message.delivery_tag or 0)

    # one batch in the handler's hands and the next one on its way
    await channel.basic_qos(prefetch_count=2 * batch_size)
    await channel.basic_consume(queue, arrived, arguments={"x-priority": priority})
    return backlog


async def _acknowledge(channel: AbstractChannel, tags: Sequence[int]) -> None:
    with suppress(*CONNECTION_EXCEPTIONS):  # the broker brings them to somebody again
        await channel.basic_ack(tags[-1], multiple=True)
