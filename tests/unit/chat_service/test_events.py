from uuid import UUID, uuid4

from chat_service.events import to_gateways, to_listeners
from common.ids import now, uuid7
from common.text import MAX_MESSAGE_CHARACTERS
from common.tracing import new_traceparent
from contracts.entries import MessagePosted
from contracts.messages import CommandRefused, Refusal, RoomEntry, RoomRead
from contracts.routing import ROOMS, shard
from tests.support.envelopes import opened


def entry(room_id: UUID, seq: int) -> RoomEntry:
    return RoomEntry(
        room_id=room_id,
        seq=seq,
        kind=MessagePosted.kind,
        actor_id=uuid7(),
        id=uuid7(),
        at=now(),
        data={"text": f"number {seq}"},
        command_id=uuid4(),
    )


def test_what_is_said_in_rooms_of_one_shard_travels_together_in_order() -> None:
    room_id = uuid4()
    neighbour = next(other for other in iter(uuid4, None) if shard(other) == shard(room_id))
    elsewhere = next(other for other in iter(uuid4, None) if shard(other) != shard(room_id))
    said: list[RoomEntry | RoomRead] = [
        entry(room_id, 1),
        entry(elsewhere, 1),
        entry(neighbour, 1),
        entry(room_id, 2),
        RoomRead(room_id=room_id, user_id=uuid7(), seq=2),
    ]

    messages = to_listeners((payload, new_traceparent()) for payload in said)

    assert [(message.exchange, message.key) for message in messages] == [
        (ROOMS, shard(room_id)),
        (ROOMS, shard(elsewhere)),
    ]
    together, alone = ([one.payload for one in opened(m.body, m.content_type)] for m in messages)
    assert together == [said[0], said[2], said[3], said[4]]
    assert alone == [said[1]]
    assert not any(message.durable for message in messages)


def test_no_bus_message_holds_more_than_a_broker_takes() -> None:
    room_id = uuid4()
    longest = "\x01" * MAX_MESSAGE_CHARACTERS
    said = [entry(room_id, seq).model_copy(update={"data": {"text": longest}}) for seq in range(1, 251)]

    messages = to_listeners((payload, new_traceparent()) for payload in said)

    batches = [opened(message.body, message.content_type) for message in messages]
    assert [one.payload for batch in batches for one in batch] == said
    assert max(len(message.body) for message in messages) < 16 * 1024 * 1024 / 2


def test_an_entry_travels_under_the_same_id_and_time_whenever_it_is_published() -> None:
    posted = entry(uuid4(), 7)

    first, second = (to_listeners([(posted, new_traceparent())])[0] for _ in range(2))

    (one,), (other,) = opened(first.body, first.content_type), opened(second.body, second.content_type)
    assert (one.id, one.time) == (other.id, other.time) == (posted.id, posted.at)


def test_answers_go_to_the_gateway_that_asked_and_carry_on_its_trace() -> None:
    def refused() -> CommandRefused:
        return CommandRefused(
            command_id=uuid4(), user_id=uuid7(), room_id=uuid4(), code=Refusal.TOO_LONG, detail="Too long."
        )

    trace = new_traceparent()
    answers = [("one", refused(), trace), ("other", refused(), trace), ("one", refused(), trace)]

    messages = to_gateways(answers)

    assert [message.key for message in messages] == ["one", "other"]
    batches = [opened(message.body, message.content_type) for message in messages]
    assert [[one.payload for one in batch] for batch in batches] == [[answers[0][1], answers[2][1]], [answers[1][1]]]
    assert {one.traceparent for batch in batches for one in batch} == {trace}
