"""Publishing with confirms, in order, many in flight."""

import asyncio
from collections.abc import Sequence

from aio_pika.exceptions import DeliveryError
from aio_pika.exceptions import PublishError as Returned
from aiormq.abc import AbstractChannel

from messaging.bus import Message, PublishError, Unroutable
from messaging.metrics import PUBLISHED
from messaging.rabbitmq.codec import properties_of


class Publisher:
    """One channel with publisher confirms. The channel sends in the order it is asked to."""

    def __init__(self, channel: AbstractChannel, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish`. A confirm that does not come within the timeout leaves the message's fate unknown."""
        outcomes = await asyncio.gather(*(self._publish(message) for message in messages), return_exceptions=True)
        failures: list[tuple[Message, BaseException]] = []
        for message, outcome in zip(messages, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failures.append((message, outcome))
            else:
                PUBLISHED.labels(message.exchange).inc()
        if failures:
            raise _as_publish_error(failures)

    async def _publish(self, message: Message) -> None:
        await self._channel.basic_publish(
            message.body,
            exchange=message.exchange,
            routing_key=message.key,
            properties=properties_of(message),
            mandatory=message.durable,
            timeout=self._timeout,
        )


def _as_publish_error(failures: Sequence[tuple[Message, BaseException]]) -> PublishError:
    failed = [message for message, _ in failures]
    others = [error for _, error in failures if not isinstance(error, Returned)]
    if not others:
        return Unroutable("no queue is bound", failed)
    return PublishError(_reason(others[0]), failed)


def _reason(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "not confirmed in time"
        case DeliveryError():
            return "refused by the broker"
        case _:
            return f"not published: {type(error).__name__}"
