from typing import Any, cast

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from messaging.bus import Message
from messaging.rabbitmq.codec import decode, properties_of


def delivered(body: bytes = b"", **properties: Any) -> DeliveredMessage:
    received = Basic.Properties()
    for name, value in properties.items():
        setattr(received, name, value)  # what comes over the wire is not validated
    return DeliveredMessage(
        delivery=Basic.Deliver(consumer_tag="c", delivery_tag=1, exchange="exchange", routing_key="key"),
        header=ContentHeader(properties=received, body_size=len(body)),
        body=body,
        channel=cast(AbstractChannel, None),
    )


@pytest.mark.parametrize("durable", [True, False])
def test_a_message_is_what_it_was_after_the_way_through_amqp(durable: bool) -> None:
    message = Message(
        "exchange", "key", b"\xff", "a.type.v1", "its id", "application/json", {"name": "Zoë"}, durable=durable
    )

    properties = properties_of(message)
    delivery = decode(
        delivered(
            message.body,
            headers=properties.headers,
            content_type=properties.content_type,
            correlation_id=properties.correlation_id,
            message_type=properties.message_type,
            message_id=properties.message_id,
        )
    )

    assert (delivery.exchange, delivery.key) == (message.exchange, message.key)
    assert (delivery.body, delivery.type, delivery.id) == (message.body, message.type, message.id)
    assert (delivery.content_type, delivery.headers) == (message.content_type, message.headers)
    assert (delivery.attempt, delivery.rejection) == (1, None)
    assert properties.delivery_mode == (2 if durable else 1)


def test_two_messages_with_one_id_have_two_amqp_message_ids() -> None:
    message = Message("exchange", "key", b"", "type", "its id")

    assert properties_of(message).message_id != properties_of(message).message_id


def test_a_message_without_properties_is_a_delivery_with_empty_ones() -> None:
    delivery = decode(delivered())

    assert (delivery.type, delivery.id, delivery.content_type, delivery.headers) == ("", "", "", {})


def test_a_strangers_message_has_its_message_id() -> None:
    assert decode(delivered(message_id="theirs")).id == "theirs"


def test_only_headers_that_are_text_are_kept() -> None:
    headers = {"text": "kept", "number": 1, "bytes": b"\xff", "table": {"a": 1}, "list": ["a"], "none": None}

    assert decode(delivered(headers=headers)).headers == {"text": "kept"}
