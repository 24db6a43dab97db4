"""Between our messages and AMQP's."""

from uuid import uuid4

from aio_pika import DeliveryMode
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from messaging.bus import Delivery, Message


def properties_of(message: Message) -> Basic.Properties:
    """The message's own id travels as correlation id. The AMQP message id is new each time: aiormq finds what the
    broker returned by it, so two copies in flight must not share one."""
    return Basic.Properties(
        content_type=message.content_type,
        headers=dict(message.headers),
        delivery_mode=DeliveryMode.PERSISTENT if message.durable else DeliveryMode.NOT_PERSISTENT,
        correlation_id=message.id,
        message_id=uuid4().hex,
        message_type=message.type,
    )


def decode(message: DeliveredMessage) -> Delivery:
    """Never fails: whatever a stranger left out or made of another type is empty."""
    properties = message.header.properties
    headers = properties.headers or {}
    return Delivery(
        exchange=message.exchange or "",
        key=message.routing_key or "",
        body=message.body,
        type=_text(properties.message_type),
        id=_text(properties.correlation_id) or _text(properties.message_id),
        content_type=_text(properties.content_type),
        headers={name: value for name, value in headers.items() if isinstance(value, str)},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
