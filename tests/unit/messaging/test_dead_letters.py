from messaging.bus import Delivery, Message
from messaging.dead_letters import MAX_REASON, dead_letter, sent_back
from tests.support.shapes import assert_time

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
    headers = dict(letter.headers)
    assert_time(headers.pop("x-parley-put-away-at"))
    assert headers == {
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


def test_what_is_sent_back_is_as_it_was_and_goes_to_its_queue_alone() -> None:
    letter = dead_letter("chat_service.commands.7", DELIVERY, "ValueError: no")

    message = sent_back("chat_service.commands.7", arrived(letter))

    assert (message.exchange, message.key) == ("", "chat_service.commands.7")
    assert (message.body, message.type, message.id) == (DELIVERY.body, DELIVERY.type, DELIVERY.id)
    assert (message.content_type, message.durable) == (DELIVERY.content_type, True)
    assert message.headers["traceparent"] == "00-1-2-03"
    assert not {"x-parley-reason", "x-parley-attempts", "x-parley-put-away-at"} & message.headers.keys()


def test_a_message_that_was_sent_back_and_is_put_away_again_says_where_it_came_from_at_first() -> None:
    back = sent_back("chat_service.commands.7", arrived(dead_letter("chat_service.commands.7", DELIVERY, "at first")))

    again = dead_letter("chat_service.commands.7", arrived(back), "and again")

    assert (again.headers["x-parley-exchange"], again.headers["x-parley-key"]) == ("chat.commands", "7")
    assert (again.headers["x-parley-reason"], again.headers["x-parley-attempts"]) == ("and again", "1")


def arrived(message: Message) -> Delivery:
    return Delivery(
        message.exchange, message.key, message.body, message.type, message.id, message.content_type, message.headers
    )
