"""Where messages go that were rejected, or that no handler could deal with: a queue beside each durable queue."""

from collections.abc import Mapping
from datetime import UTC, datetime

from messaging.bus import Delivery, Message

REASON = "x-parley-reason"
ATTEMPTS = "x-parley-attempts"
PUT_AWAY_AT = "x-parley-put-away-at"
EXCHANGE = "x-parley-exchange"
KEY = "x-parley-key"

MAX_REASON = 500
"""Characters of the reason that are kept."""

_OF_BEING_DEAD = (REASON, ATTEMPTS, PUT_AWAY_AT)
_OF_THE_BROKER = ("x-first-death-", "x-last-death-")


def dead_letter_queue(queue: str) -> str:
    return f"{queue}.dead"


def dead_letter(queue: str, delivery: Delivery, reason: str) -> Message:
    """The copy that is kept: as it came, and in headers why, when, after how many attempts, and where it was sent to.

    Its exchange is AMQP's default one, whose keys are the names of queues (AMQP 0-9-1, section 3.1.3.1).
    """
    return _to(
        dead_letter_queue(queue),
        delivery,
        {
            EXCHANGE: delivery.exchange,
            KEY: delivery.key,
            **delivery.headers,  # of one that was sent back: where it came from at first
            REASON: _encodable(reason)[:MAX_REASON],
            ATTEMPTS: str(delivery.attempt),
            PUT_AWAY_AT: timestamp(datetime.now(UTC)),
        },
    )


def sent_back(queue: str, delivery: Delivery) -> Message:
    """The message as it was before, to its queue alone: others who got it at first do not hear it twice."""
    headers = {
        name: value
        for name, value in delivery.headers.items()
        if name not in _OF_BEING_DEAD and not name.startswith(_OF_THE_BROKER)
    }
    return _to(queue, delivery, headers)


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to(queue: str, delivery: Delivery, headers: Mapping[str, str]) -> Message:
    return Message(
        exchange="",
        key=queue,
        body=delivery.body,
        type=delivery.type,
        id=delivery.id,
        content_type=delivery.content_type,
        headers=headers,
    )


def _encodable(text: str) -> str:
    """A lone surrogate, as some clients' JSON has them, must not keep the message from being put away."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
