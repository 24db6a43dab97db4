"""Where messages go that were rejected, or that no handler could deal with: a queue beside each durable queue."""

from messaging.bus import Delivery, Message

MAX_REASON = 500
"""Characters of the reason that are kept."""


def dead_letter_queue(queue: str) -> str:
    return f"{queue}.dead"


def dead_letter(queue: str, delivery: Delivery, reason: str) -> Message:
    """The copy that is kept: as it came, and in headers why, after how many attempts, and where it was sent to.

    Its exchange is AMQP's default one, whose keys are the names of queues (AMQP 0-9-1, section 3.1.3.1).
    """
    return Message(
        exchange="",
        key=dead_letter_queue(queue),
        body=delivery.body,
        type=delivery.type,
        id=delivery.id,
        content_type=delivery.content_type,
        headers={
            **delivery.headers,
            "x-parley-reason": _encodable(reason)[:MAX_REASON],
            "x-parley-attempts": str(delivery.attempt),
            "x-parley-exchange": delivery.exchange,
            "x-parley-key": delivery.key,
        },
    )


def _encodable(text: str) -> str:
    """A lone surrogate, as some clients' JSON has them, must not keep the message from being put away."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
