from messaging.bus import Delivery
from messaging.dead_letters import MAX_REASON, dead_letter

DELIVERY = Delivery(
    exchange="chat.commands",
    key="7",
    body=b"\x00not json",
    type="chat.send.v1",
    id="an id",
    content_type="application/cloudevents+json",
    headers={"traceparent": "00-1-2-03"},
    attempt=5,
)


def test_a_dead_letter_goes_to_the_queue_beside_its_own_as_it_came_and_says_why() -> None:
    letter = dead_letter("chat_service.commands.7", DELIVERY, "ValueError: no")

    assert (letter.exchange, letter.key) == ("", "chat_service.commands.7.dead")
    assert (letter.body, letter.type, letter.id) == (DELIVERY.body, DELIVERY.type, DELIVERY.id)
    assert letter.content_type == DELIVERY.content_type
    assert letter.durable
    assert letter.headers == {
        "traceparent": "00-1-2-03",
        "x-parley-reason": "ValueError: no",
        "x-parley-attempts": "5",
        "x-parley-exchange": "chat.commands",
        "x-parley-key": "7",
    }


def test_a_reason_that_no_encoding_knows_is_made_one_that_has_bytes() -> None:
    reason = dead_letter("q", DELIVERY, "unknown type '\udfff'").headers["x-parley-reason"]

    assert reason.encode() == b"unknown type '\\udfff'"


def test_a_reason_is_cut_to_a_length() -> None:
    assert len(dead_letter("q", DELIVERY, "x" * 1_000_000).headers["x-parley-reason"]) == MAX_REASON
