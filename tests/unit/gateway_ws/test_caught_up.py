"""What each of several is told out of one answer to all of them."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from common.ids import now
from contracts.internal_http import AskerView, CatchUps, RoomView
from contracts.messages import RoomEntry
from gateway_ws.caught_up import Answer, CaughtUp
from gateway_ws.framing import event_frame

ROOM, OTHER_ROOM = uuid4(), uuid4()
LIMIT = 200


def view(room_id: UUID, head: int) -> RoomView:
    return RoomView(
        id=room_id,
        kind="private",
        name="A room",
        topic=None,
        head=head,
        role="member",
        read_seq=0,
        unread=0,
        member_count=2,
        created_at=now(),
    )


def entry(room_id: UUID, seq: int, text: str = "hello") -> RoomEntry:
    return RoomEntry(
        room_id=room_id,
        seq=seq,
        kind="message.posted",
        actor_id=uuid4(),
        id=uuid4(),
        at=now(),
        data={"message_id": str(uuid4()), "text": text, "reply_to": None},
    )


def answer(*rooms_of_askers: Sequence[RoomView], entries: Sequence[RoomEntry] = ()) -> Answer:
    by_room: dict[UUID, list[RoomEntry]] = {}
    for one in entries:
        by_room.setdefault(one.room_id, []).append(one)
    askers = [AskerView(user=None, rooms=list(rooms)) for rooms in rooms_of_askers]
    return Answer(CatchUps(epoch="1", askers=askers, entries=by_room))


def seqs(told: CaughtUp) -> dict[UUID, list[int]]:
    return {
        room_id: [entry.seq for portion in portions for entry in portion.entries]
        for room_id, portions in told.missed.items()
    }


def test_everybody_is_told_what_comes_after_their_own_resume_point() -> None:
    room = view(ROOM, 9)
    told = answer([room], [room], [room], [room], entries=[entry(ROOM, seq) for seq in range(6, 10)])

    assert seqs(told.to(0, {ROOM: 5}, LIMIT)) == {ROOM: [6, 7, 8, 9]}
    assert seqs(told.to(1, {ROOM: 8}, LIMIT)) == {ROOM: [9]}
    assert seqs(told.to(2, {ROOM: 9}, LIMIT)) == seqs(told.to(2, {ROOM: 10}, LIMIT)) == {}
    assert seqs(told.to(3, {}, LIMIT)) == {}


def test_of_too_much_the_last_is_told() -> None:
    told = answer([view(ROOM, 9)], entries=[entry(ROOM, seq) for seq in range(2, 10)])

    assert seqs(told.to(0, {ROOM: 1}, 3)) == {ROOM: [7, 8, 9]}


def test_nothing_is_told_of_a_room_that_is_not_in_ones_own_view() -> None:
    entries = [entry(ROOM, 1), entry(OTHER_ROOM, 1)]
    told = answer([view(ROOM, 1)], [view(OTHER_ROOM, 1)], entries=entries)
    resume = {ROOM: 0, OTHER_ROOM: 0, uuid4(): 0}

    assert seqs(told.to(0, resume, LIMIT)) == {ROOM: [1]}
    assert seqs(told.to(1, resume, LIMIT)) == {OTHER_ROOM: [1]}


def test_entries_are_framed_once_for_all_who_have_seen_as_much() -> None:
    entries = [entry(ROOM, 1), entry(ROOM, 2)]
    told = answer([view(ROOM, 2)], [view(ROOM, 2)], entries=entries)

    (first,), (second,) = (told.to(number, {ROOM: 0}, LIMIT).missed[ROOM] for number in range(2))

    assert first.frames is second.frames
    assert first.frames == b"".join(event_frame(one) for one in entries)


def test_much_is_told_in_portions() -> None:
    entries = [entry(ROOM, seq, "x" * 8_000) for seq in range(1, 41)]
    told = answer([view(ROOM, 40)], entries=entries).to(0, {ROOM: 0}, LIMIT)

    portions = told.missed[ROOM]

    assert seqs(told) == {ROOM: list(range(1, 41))}
    assert b"".join(portion.frames for portion in portions) == b"".join(event_frame(one) for one in entries)
    assert len(portions) > 1
    assert max(len(portion.frames) for portion in portions) < 80_000
