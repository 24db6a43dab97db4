"""Commands: answered once each, in order, whatever happens on the way."""

import json
from uuid import UUID, uuid4

import pytest

from contracts.frames import Limits
from contracts.messages import Refusal
from contracts.routing import origin_of, partition
from tests.support.bus import Recorder
from tests.support.client import Socket, new_command_id
from tests.support.envelopes import opened
from tests.support.eventually import eventually
from tests.support.gateway_ws import GatewayServer, running_gateway


async def test_a_message_is_acked_with_its_place_in_the_log(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=2)
    socket = await gateway.connect(alice)

    ack = await socket.post(str(room.id), "hello")

    (_, _, entry) = room.log
    assert ack == {
        "type": "ack",
        "id": str(entry.command_id),
        "room_id": str(room.id),
        "seq": 3,
        "message_id": str(entry.id),
        "at": ack["at"],
        "duplicate": False,
    }
    await socket.reach(str(room.id), 3)


async def test_a_repeat_is_answered_as_one_with_the_first_answers_values(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    first = await socket.post(str(room.id), "hello")
    other = await gateway.connect(alice)

    again = await other.post(str(room.id), "hello", id=first["id"])

    assert again == {**first, "duplicate": True}
    assert room.head == 1
    assert socket.answers[first["id"]] == [first]


async def test_a_repeat_is_answered_as_one_also_when_the_first_entry_is_seen_again(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    first = await socket.post(str(room.id), "hello")
    await gateway.heard(room, 1)
    gateway.chat.answering.clear()
    other = await gateway.connect(alice)
    await other.send(str(room.id), "hello", id=first["id"])
    await gateway.until_pending(1)

    await gateway.connect(alice, resume={str(room.id): 0})  # to whom it is told again

    assert await other.answer(first["id"]) == {**first, "duplicate": True}


async def test_a_repeat_is_answered_as_one_also_by_an_entry_that_comes_late(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice)
    await gateway.connect(alice)
    command_id = new_command_id()
    entry = gateway.chat.commit(room, actor_id=alice, command_id=UUID(command_id))
    caught_up = await gateway.connect(alice, resume={str(room.id): 0})
    await caught_up.reach(str(room.id), 1)
    gateway.chat.available = False  # so that the hole is filled by nothing else
    gateway.chat.answering.clear()
    await caught_up.send(str(room.id), "hello", id=command_id)
    await gateway.until_pending(1)

    await gateway.chat.broadcast(entry)

    assert (await caught_up.answer(command_id))["duplicate"] is True


async def test_a_repeat_of_what_came_over_another_gateway_is_answered_as_one_though_its_entry_comes_after_it(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    gateway.chat.answering.clear()
    command_id = await socket.send(str(room.id), "hello")
    await gateway.until_pending(1)

    elsewhere = gateway.chat.commit(
        room, actor_id=alice, command_id=UUID(command_id), origin=origin_of("another gateway")
    )
    await gateway.chat.broadcast(elsewhere)

    assert (await socket.answer(command_id))["duplicate"] is True


async def test_a_repeat_whose_answer_was_lost_is_sent_once_more_in_the_same_event(alice: UUID) -> None:
    async with running_gateway(answer_patience=0.2) as gateway:
        gateway.chat.heard = heard = Recorder()
        room = gateway.chat.room(alice)
        socket, other = await gateway.connect(alice), await gateway.connect(alice)
        first = await socket.post(str(room.id), "hello")
        gateway.chat.losing_answers = True
        await other.send(str(room.id), "hello", id=first["id"])
        await eventually(lambda: _has_heard(gateway, 2))

        gateway.chat.losing_answers = False

        assert await other.answer(first["id"]) == {**first, "duplicate": True}
        deliveries = heard.deliveries
        first_event, lost, once_more = (opened(one.body, one.content_type)[0].id for one in deliveries)
        assert first_event != lost == once_more  # so that what was refused is refused again


async def test_a_message_sent_twice_at_once_is_answered_twice(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    first, second = await gateway.connect(alice), await gateway.connect(alice)
    command_id = new_command_id()

    gateway.chat.answering.clear()
    await first.send(str(room.id), "something in flight, so that the others travel together")
    await gateway.until_pending(1)
    await first.send(str(room.id), "hello", id=command_id)
    await gateway.until_pending(2)
    await second.send(str(room.id), "hello", id=command_id)
    await second.send(str(room.id), "the last of the batch")
    await gateway.until_pending(3)
    gateway.chat.answering.set()

    assert (await first.answer(command_id))["duplicate"] is False
    assert (await second.answer(command_id))["duplicate"] is True
    assert gateway.chat.batches == [1, 3]
    assert room.head == 3


async def test_a_refusal_is_told_with_its_code(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    gateway.chat.refuse = Refusal.NOT_FOUND

    answer = await socket.answer(await socket.send(str(room.id), "hello", reply_to=str(uuid4())))

    assert (answer["type"], answer["code"]) == ("error", "not_found")


async def test_an_edit_a_reaction_and_a_deletion_are_acked_with_their_message(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice, entries=1)
    room_id, message_id = str(room.id), str(room.log[0].id)
    socket = await gateway.connect(alice)

    sent = [
        await socket.edit(room_id, message_id, "Good evening"),
        await socket.react(room_id, message_id, "👍🏽"),
        await socket.react(room_id, message_id, "👍🏽", on=False),
        await socket.delete(room_id, message_id),
    ]

    for seq, (command_id, kind, data) in enumerate(
        zip(
            sent,
            ("message.edited", "reaction.added", "reaction.removed", "message.deleted"),
            ({"text": "Good evening"}, {"emoji": "👍🏽"}, {"emoji": "👍🏽"}, {}),
            strict=True,
        ),
        start=2,
    ):
        event = await socket.expect("event", seq=seq)
        assert (event["kind"], event["data"]) == (kind, {"message_id": message_id, **data})
        assert await socket.answer(command_id) == {
            "type": "ack",
            "id": command_id,
            "room_id": room_id,
            "seq": seq,
            "message_id": message_id,
            "at": event["at"],
            "duplicate": False,
        }


async def test_a_repeat_of_any_kind_is_answered_as_one_over_another_connection(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice, entries=1)
    room_id, message_id = str(room.id), str(room.log[0].id)
    first, second = await gateway.connect(alice), await gateway.connect(alice)

    acks = [
        await first.answer(await first.edit(room_id, message_id, "Good evening")),
        await first.answer(await first.react(room_id, message_id)),
        await first.answer(await first.delete(room_id, message_id)),
    ]
    edit, reaction, deletion = (ack["id"] for ack in acks)
    again = [
        await second.answer(await second.edit(room_id, message_id, "Good evening", id=edit)),
        await second.answer(await second.react(room_id, message_id, id=reaction)),
        await second.answer(await second.delete(room_id, message_id, id=deletion)),
    ]

    assert again == [{**ack, "duplicate": True} for ack in acks]

    assert room.head == 4


async def test_a_mute_is_told_with_the_time_it_still_lasts(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=1)
    room_id, message_id = str(room.id), str(room.log[0].id)
    socket = await gateway.connect(alice)
    gateway.chat.refuse, gateway.chat.refuse_for = Refusal.MUTED, 90.5

    for command_id in (
        await socket.send(room_id, "hello"),
        await socket.edit(room_id, message_id, "hello"),
        await socket.react(room_id, message_id),
    ):
        answer = await socket.answer(command_id)
        assert (answer["type"], answer["code"], answer["retry_after"]) == ("error", "muted", 90.5)


async def test_what_can_be_no_text_and_no_emoji_is_refused_at_the_door(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice, entries=1)
    room_id, message_id = str(room.id), str(room.log[0].id)
    socket = await gateway.connect(alice)

    for command_id, code in (
        (await socket.edit(room_id, message_id, "x" * 8001), "too_long"),
        (await socket.edit(room_id, message_id, ""), "bad_frame"),
        (await socket.edit(room_id, message_id, "a\x00b"), "bad_frame"),
        (await socket.react(room_id, message_id, "thumbs up"), "bad_frame"),
        (await socket.react(room_id, message_id, "\x00", on=False), "bad_frame"),
        (await socket.react(room_id, message_id, "x" * 65), "bad_frame"),
        (await socket.react(room_id, message_id, ""), "bad_frame"),
    ):
        answer = await socket.answer(command_id)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert "retry_after" not in answer

    assert not gateway.chat.commands


async def test_too_many_commands_of_any_kind_are_refused_each_under_its_id(alice: UUID) -> None:
    async with running_gateway(frames_per_second=0.01, frames_burst=1, max_refused_frames=100) as gateway:
        room_id, message_id = str(gateway.chat.room(alice).id), new_command_id()
        socket = await gateway.connect(alice)
        message = {"room_id": room_id, "message_id": message_id}
        await socket.send_raw(json.dumps({"type": "delete", "id": new_command_id(), **message}))

        for type, fields in (("edit", {"text": "hello"}), ("delete", {}), ("react", {"emoji": "👍", "on": True})):
            command_id = new_command_id()
            await socket.send_raw(json.dumps({"type": type, "id": command_id, **message, **fields}))
            answer = await socket.answer(command_id)
            assert answer["code"] == "rate_limited"
            assert answer["retry_after"] > 0


async def test_a_message_to_a_room_that_was_just_made_is_acked(gateway: GatewayServer, alice: UUID) -> None:
    socket = await gateway.connect(alice)
    room = gateway.chat.room()
    joining, added = gateway.chat.add(room, alice)

    command_id = await socket.send(str(room.id), "first")  # its entry is broadcast where this gateway listens not yet
    await eventually(lambda: _has_head(gateway, room.id, 2))
    assert command_id not in socket.answers
    await gateway.chat.tell_of(added)
    await gateway.chat.broadcast(joining)

    assert (await socket.answer(command_id))["type"] == "ack"
    await socket.reach(str(room.id), 2)


async def test_a_message_whose_entry_was_lost_is_acked_when_the_entry_is_found(alice: UUID) -> None:
    async with running_gateway(sweep_interval=0.1) as gateway:
        room = gateway.chat.room(alice)
        socket = await gateway.connect(alice)
        gateway.chat.answering.clear()
        command_id = await socket.send(str(room.id), "hello")

        gateway.chat.commit(room, actor_id=alice, command_id=UUID(command_id))

        assert (await socket.answer(command_id))["seq"] == 1


async def test_messages_wait_in_their_order_for_a_broker_that_comes_back(gateway: GatewayServer, alice: UUID) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    await gateway.bus.stop()
    ids = [await socket.send(str(room.id), str(number)) for number in range(10)]
    await gateway.until_pending(10)

    await gateway.bus.start()

    assert {(await socket.answer(command_id))["type"] for command_id in ids} == {"ack"}
    assert [entry.data["text"] for entry in room.log] == [str(number) for number in range(10)]


async def test_with_a_broker_that_stays_away_messages_may_not_have_arrived(alice: UUID) -> None:
    async with running_gateway(broker_patience=0.2) as gateway:
        room = gateway.chat.room(alice)
        socket = await gateway.connect(alice)
        await gateway.bus.stop()
        ids = [await socket.send(str(room.id), "hello") for _ in range(3)]

        answers = [await socket.answer(command_id) for command_id in ids]

        assert [(answer["code"], answer["retry_after"]) for answer in answers] == [("unavailable", 1)] * 3
        assert room.head == 0


async def test_a_message_that_nobody_answers_is_given_up_and_may_be_sent_again(alice: UUID) -> None:
    async with running_gateway(command_timeout=0.2) as gateway:
        room = gateway.chat.room(alice)
        socket = await gateway.connect(alice)
        gateway.chat.answering.clear()
        command_id = await socket.send(str(room.id), "hello")

        answer = await socket.answer(command_id)
        assert (answer["code"], answer["retry_after"]) == ("unavailable", 1)
        gateway.chat.answering.set()
        await socket.reach(str(room.id), 1)
        await socket.send(str(room.id), "hello", id=command_id)

        answers = await _answers(socket, command_id, 2)
        assert answers[1]["duplicate"] is True


async def test_messages_of_one_connection_keep_their_order_and_travel_together(
    gateway: GatewayServer, alice: UUID
) -> None:
    room = gateway.chat.room(alice)
    socket = await gateway.connect(alice)

    gateway.chat.answering.clear()
    first = await socket.send(str(room.id), "0")
    await gateway.until_pending(1)
    ids = [first] + [await socket.send(str(room.id), str(number)) for number in range(1, 100)]
    await gateway.until_pending(100)
    gateway.chat.answering.set()
    for command_id in ids:
        await socket.answer(command_id)

    assert [entry.data["text"] for entry in room.log] == [str(number) for number in range(100)]
    assert gateway.chat.batches == [1, 99]


async def test_a_stuck_partition_does_not_hold_up_the_others(gateway: GatewayServer, alice: UUID) -> None:
    stuck = gateway.chat.room(alice)
    free = gateway.chat.room(alice)
    while partition(free.id) == partition(stuck.id):
        free = gateway.chat.room(alice)
    socket = await gateway.connect(alice)
    gateway.chat.stuck_partition = partition(stuck.id)
    gateway.chat.answering.clear()

    waiting = await socket.send(str(stuck.id), "hello")
    await socket.post(str(free.id), "hello")

    assert waiting not in socket.answers
    gateway.chat.answering.set()
    assert (await socket.answer(waiting))["type"] == "ack"


@pytest.mark.parametrize("limits", [Limits(frames_per_second=5, frames_burst=3)])
async def test_the_welcome_names_the_limits(alice: UUID, limits: Limits) -> None:
    async with running_gateway(frames_per_second=limits.frames_per_second, frames_burst=limits.frames_burst) as gateway:
        socket = await gateway.connect(alice)

        assert socket.welcome["limits"] == limits.model_dump()


async def _has_head(gateway: GatewayServer, room_id: UUID, head: int) -> bool:
    return gateway.chat.rooms[room_id].head == head


async def _has_heard(gateway: GatewayServer, commands: int) -> bool:
    return len(gateway.chat.commands) == commands


async def _answers(socket: Socket, command_id: str, number: int) -> list[dict[str, object]]:
    async def answered() -> bool:
        return len(socket.answers.get(command_id, ())) == number

    await eventually(answered)
    return socket.answers[command_id]
