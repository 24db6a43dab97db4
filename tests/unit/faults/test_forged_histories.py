"""Each way in which each promise can be broken is found, as a breach of that promise, in the right column."""

from collections.abc import Callable
from dataclasses import replace as changed

import pytest

from tests.e2e.faults.checker import check, report
from tests.e2e.faults.history import (
    Availability,
    Change,
    Deletion,
    Error,
    Event,
    Gap,
    Login,
    News,
    Page,
    Registration,
    RoomAdded,
    RoomRemoved,
    Stalled,
    WelcomeRoom,
)
from tests.e2e.faults.state import Member
from tests.e2e.faults.violation import Column
from tests.support.correct_system import event_of
from tests.support.forged_history import ANN, ATTIC, BOB, CID, DAN, HALL, MOD, Story, first, place, replace, story, swap

Forgery = Callable[[Story], None]

FORGERIES: list[object] = []
LAWFUL: list[object] = []


def breaks(promise: str, column: Column, told: str, *, alone: bool = False) -> Callable[[Forgery], Forgery]:
    """The forgery is found as a breach of that promise, and is told so; `alone`: as nothing else besides."""

    def note(forge: Forgery) -> Forgery:
        FORGERIES.append(pytest.param(forge, promise, column, told, alone, id=forge.__name__))
        return forge

    return note


def lawful(forge: Forgery) -> Forgery:
    """The forgery breaks nothing."""
    LAWFUL.append(pytest.param(forge, id=forge.__name__))
    return forge


def test_the_story_itself_breaks_nothing() -> None:
    told = story()
    violations = check(told.system.history, told.system.final)
    assert not violations, report(told.system.history, violations)


# --- G1


@breaks("G1", "lost", "acked, and has no entry")
def an_acked_command_has_no_entry(told: Story) -> None:
    told.system.final.entries.remove(told.entry(told.more))


@breaks("G1", "lost", "acked, and has no entry")
def a_post_answered_201_has_no_entry(told: Story) -> None:
    told.system.final.entries.remove(told.posted)


@breaks("G1", "lost", "acked, and has no entry")
def an_acked_repeat_has_no_entry(told: Story) -> None:
    told.system.final.entries.remove(told.entry(told.lost))


@breaks("G1", "other", "tells otherwise than the log", alone=True)
def an_ack_names_another_seq(told: Story) -> None:
    told.change_ack(told.ann, told.more, seq=1)


@breaks("G1", "other", "tells otherwise than the log", alone=True)
def an_ack_names_another_room(told: Story) -> None:
    told.change_ack(told.ann, told.more, room_id=ATTIC)


@breaks("G1", "other", "tells otherwise than the log", alone=True)
def an_ack_names_another_message(told: Story) -> None:
    told.change_ack(told.ann, told.more, message_id="another")


@breaks("G1", "other", "tells otherwise than the log", alone=True)
def an_ack_names_another_time(told: Story) -> None:
    told.change_ack(told.ann, told.more, at="2026-01-01T00:00:00.000Z")


@breaks("G1", "other", "tells otherwise than the log")
def a_post_is_answered_with_another_seq(told: Story) -> None:
    told.system.history.posts[:] = [post._replace(seq=1) for post in told.system.history.posts]


@breaks("G1", "other", "says something else than its command")
def an_entry_has_another_text(told: Story) -> None:
    told.change_entry(told.entry(told.more), data={"text": "something else"})


@breaks("G1", "other", "says something else than its command")
def an_entry_answers_another_message(told: Story) -> None:
    told.change_entry(told.entry(told.reply), data={"reply_to": None})


@breaks("G1", "other", "says something else than its command")
def an_entry_is_in_another_room(told: Story) -> None:
    told.change_entry(told.entry(told.more), room_id=ATTIC, seq=9)


@breaks("G1", "other", "says something else than its command")
def an_edit_has_another_text(told: Story) -> None:
    told.change_entry(told.entry(told.edit), data={"text": "something else"})


@breaks("G1", "other", "says something else than its command")
def another_message_was_edited(told: Story) -> None:
    told.change_entry(told.entry(told.edit), data={"message_id": told.message(told.more).id})


@breaks("G1", "other", "says something else than its command")
def another_message_was_deleted(told: Story) -> None:
    told.change_entry(told.entry(told.deletion), data={"message_id": told.message(told.more).id})


@breaks("G1", "other", "says something else than its command")
def a_reaction_has_another_emoji(told: Story) -> None:
    told.change_entry(told.entry(told.reaction), data={"emoji": "👎"})


@breaks("G1", "other", "says something else than its command")
def a_reaction_was_added_rather_than_removed(told: Story) -> None:
    told.change_entry(told.entry(told.no_reaction), kind="reaction.added")


@breaks("G1", "other", "says something else than its command")
def an_erased_entry_answers_another_message(told: Story) -> None:
    told.change_entry(told.entry(told.oops), data={"reply_to": told.message(told.more).id})


@breaks("G1", "lost", "a text is gone")
def a_text_is_gone_that_nobody_has_deleted(told: Story) -> None:
    told.change_entry(told.entry(told.more), data={"text": None})


@breaks("G1", "other", "was refused, and has an entry", alone=True)
def a_refused_command_has_an_entry(told: Story) -> None:
    ack = told.ack(told.ann, told.more)
    replace(told.ann, ack, Error(told.more.id, "forbidden", ack.received_at))


@lawful
def a_command_that_was_unavailable_has_an_entry(told: Story) -> None:
    ack = told.ack(told.ann, told.more)
    replace(told.ann, ack, Error(told.more.id, "unavailable", ack.received_at))


@breaks("G1", "lost", "was never answered", alone=True)
def a_command_is_not_answered_to_the_end(told: Story) -> None:
    told.ann.records.remove(told.ack(told.ann, told.more))


# --- G2


@breaks("G2", "doubled", "taken effect more than once")
def a_command_has_two_entries(told: Story) -> None:
    told.add_entry(told.entry(told.more))


@breaks("G2", "doubled", "name different entries")
def two_acks_name_different_seqs(told: Story) -> None:
    ack = told.ack(told.bob, told.lost)
    told.bob_before.records.append(ack._replace(seq=1))


@breaks("G2", "doubled", "name different entries")
def two_answers_to_a_post_name_different_seqs(told: Story) -> None:
    posts = told.system.history.posts
    posts[1] = posts[1]._replace(seq=1)


@breaks("G2", "other", "acks of one command differ")
def two_acks_name_different_times(told: Story) -> None:
    ack = told.ack(told.bob, told.lost)
    told.bob_before.records.append(ack._replace(at="2026-01-01T00:00:00.000Z"))


@breaks("G2", "other", "acks of one command differ")
def two_answers_to_a_post_name_different_messages(told: Story) -> None:
    posts = told.system.history.posts
    posts[1] = posts[1]._replace(message_id="another")


@breaks("G2", "other", "acked as if it were none", alone=True)
def a_repeat_is_not_acked_as_one(told: Story) -> None:
    sent = told.sent(told.bob, told.lost)
    ack = told.ack(told.bob, told.lost)
    told.bob_before.records.append(ack._replace(duplicate=False, received_at=sent.at - 0.005))
    told.change_ack(told.bob, told.lost, duplicate=False)


@lawful
def what_was_sent_again_before_the_first_ack_is_not_acked_as_a_repeat(told: Story) -> None:
    told.change_ack(told.bob, told.lost, duplicate=False)


@breaks("G2", "other", "answered 201", alone=True)
def a_repeated_post_is_answered_201(told: Story) -> None:
    posts = told.system.history.posts
    posts[1] = posts[1]._replace(status=201)


@breaks("G2", "doubled", "answered more often than it was sent", alone=True)
def a_command_is_acked_twice(told: Story) -> None:
    told.ann.records.append(told.ack(told.ann, told.more))


@breaks("G2", "doubled", "answered more often than it was sent", alone=True)
def a_command_is_acked_and_refused(told: Story) -> None:
    told.ann.records.append(Error(told.more.id, "unavailable", told.system.now))


@breaks("G2", "other", "no command has asked for")
def an_entry_comes_from_nowhere(told: Story) -> None:
    told.add_entry(
        told.entry(told.more), command_id="from nowhere", data={"message_id": "new", "text": "boo", "reply_to": None}
    )


@breaks("G2", "other", "no command has asked for")
def somebody_else_has_done_it(told: Story) -> None:
    told.change_entry(told.entry(told.reaction), actor_id=ANN)


@breaks("G2", "doubled", "stands in the log more often")
def a_text_was_said_once_and_is_there_twice(told: Story) -> None:
    told.add_entry(told.entry(told.more), command_id="another")


# --- G3


@breaks("G3", "lost", "has no entry 2")
def a_log_has_a_hole(told: Story) -> None:
    told.system.final.entries.remove(told.system.entry(HALL, 2))


@breaks("G3", "lost", "has no entry 1")
def a_log_begins_late(told: Story) -> None:
    told.system.final.entries.remove(told.system.entry(HALL, 1))


@breaks("G3", "doubled", "has 2 entries")
def two_entries_have_one_seq(told: Story) -> None:
    entry = told.entry(told.more)
    told.add_entry(entry, seq=entry.seq, command_id=None)


@breaks("G3", "doubled", "entries 0")
def an_entry_stands_before_the_first(told: Story) -> None:
    told.add_entry(told.entry(told.more), seq=0, command_id=None)


@breaks("G3", "lost", "a room's head is", alone=True)
def a_log_ends_before_its_head(told: Story) -> None:
    rooms = told.system.final.rooms
    rooms[0] = rooms[0]._replace(head=rooms[0].head + 1)


@breaks("G3", "other", "a room's head is", alone=True)
def a_log_goes_on_after_its_head(told: Story) -> None:
    rooms = told.system.final.rooms
    rooms[0] = rooms[0]._replace(head=rooms[0].head - 1)


@breaks("G3", "lost", "that the log does not have", alone=True)
def somebody_has_heard_what_the_log_does_not_have(told: Story) -> None:
    told.ann.records.append(Event(HALL, told.system.head(HALL) + 1, 1, 1))


@breaks("G3", "other", "heard otherwise than the log", alone=True)
def somebody_has_heard_something_else(told: Story) -> None:
    event = told.event(told.more)
    replace(told.bob_before, event, event._replace(digest=1))


@breaks("G3", "other", "heard otherwise than the log", alone=True)
def somebody_has_not_heard_the_text(told: Story) -> None:
    event = told.event(told.more)
    replace(told.bob_before, event, event._replace(digest=event.digest_without_text))


@breaks("G3", "other", "heard otherwise than the log", alone=True)
def of_what_is_erased_now_somebody_has_heard_something_else(told: Story) -> None:
    seq = told.entry(told.oops).seq
    event = first(told.bob_before, Event, lambda one: one.seq == seq)
    replace(told.bob_before, event, event._replace(digest_without_text=1))


@breaks("G3", "other", "was not the same for everybody", alone=True)
def a_text_that_is_erased_now_was_not_the_same_for_everybody(told: Story) -> None:
    seq = told.entry(told.oops).seq
    event = first(told.bob_before, Event, lambda one: one.seq == seq)
    replace(told.bob_before, event, event._replace(digest=1))


@breaks("G3", "other", "heard otherwise than the log", alone=True)
def somebody_has_read_something_else(told: Story) -> None:
    _read(told, [told.event(told.more)._replace(digest=1)])


@breaks("G3", "other", "was not the same for everybody", alone=True)
def a_text_that_is_erased_now_was_read_otherwise(told: Story) -> None:
    _read(told, [told.event(told.oops)._replace(digest=1)])


@breaks("G3", "lost", "that the log does not have", alone=True)
def somebody_has_read_what_the_log_does_not_have(told: Story) -> None:
    _read(told, [Event(HALL, told.system.head(HALL) + 1, 1, 1)])


@breaks("G3", "lost", "a page of events has a hole", alone=True)
def a_page_of_events_has_a_hole(told: Story) -> None:
    _read(told, [event_of(told.system.entry(HALL, seq)) for seq in (3, 4, 6)])


@lawful
def a_page_of_events_is_as_the_log_has_it(told: Story) -> None:
    _read(told, [event_of(told.system.entry(HALL, seq)) for seq in range(1, told.system.head(HALL) + 1)])


def _read(told: Story, events: list[Event]) -> None:
    told.system.history.pages.append(Page(HALL, ANN, told.system.tick(), told.system.tick(), 200, tuple(events)))


@breaks("G3", "lost", "and then told to end at")
def a_log_ends_before_what_was_heard(told: Story) -> None:
    told.bob.resume[HALL] += 2


@breaks("G3", "lost", "and its log ends at")
def a_welcome_tells_of_more_than_there_is(told: Story) -> None:
    told.ann.welcome = [WelcomeRoom(HALL, 99), WelcomeRoom(ATTIC, 2)]


@breaks("G3", "lost", "and its log ends at")
def an_added_room_tells_of_more_than_there_is(told: Story) -> None:
    replace(told.cid, first(told.cid, RoomAdded), RoomAdded(HALL, 99))


# --- G3: what follows from the log


@breaks("G3", "lost", "not among the messages", alone=True)
def a_message_is_missing(told: Story) -> None:
    told.system.final.messages.remove(told.message(told.more))


@breaks("G3", "other", "a message is not in the log", alone=True)
def a_message_comes_from_nowhere(told: Story) -> None:
    told.system.final.messages.append(changed(told.message(told.more), id="from nowhere"))


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_message_was_not_edited(told: Story) -> None:
    told.message(told.hello).text = told.hello.text


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_message_does_not_tell_when_it_was_edited(told: Story) -> None:
    told.message(told.hello).edited_at = None


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_message_was_not_deleted(told: Story) -> None:
    told.message(told.oops).deleted = False


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_reaction_is_missing(told: Story) -> None:
    told.message(told.hello).reactions.clear()


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_removed_reaction_is_still_there(told: Story) -> None:
    told.message(told.hello).reactions.add(("🎈", BOB))


@breaks("G3", "other", "reads otherwise than the log", alone=True)
def a_message_has_lost_its_text(told: Story) -> None:
    told.message(told.more).text = ""


@breaks("G3", "other", "a message is not in the log", alone=True)
def a_deleted_message_comes_from_nowhere(told: Story) -> None:
    told.system.final.messages.append(changed(told.message(told.oops), id="from nowhere"))


@breaks("G3", "other", "a message that its room does not have")
def an_entry_is_about_a_message_of_another_room(told: Story) -> None:
    data = {"message_id": told.message(told.hello).id, "emoji": "👍"}
    told.add_entry(told.posted, kind="reaction.added", data=data)


@lawful
def a_deleted_text_is_kept_as_nothing(told: Story) -> None:
    told.message(told.oops).text = ""


@breaks("G3", "other", "a message that its room does not have")
def an_entry_is_about_no_message(told: Story) -> None:
    told.change_entry(told.entry(told.reaction), data={"message_id": "none"})


@breaks("G3", "other", "that was deleted before")
def a_deleted_message_is_reacted_to(told: Story) -> None:
    told.change_entry(
        told.entry(told.lost), kind="reaction.added", data={**told.entry(told.deletion).data, "emoji": "👍"}
    )


@breaks("G3", "other", "edited by somebody else")
def a_message_is_edited_by_somebody_else(told: Story) -> None:
    told.change_entry(told.entry(told.edit), actor_id=BOB)


@breaks("G3", "lost", "by the log dan is a member", alone=True)
def a_member_is_missing(told: Story) -> None:
    told.system.final.members.remove(told.member(DAN))


@breaks("G3", "other", "by the log a member is owner", alone=True)
def a_member_has_another_role(told: Story) -> None:
    told.change_member(MOD, role="member")


@breaks("G3", "other", "are unread by the log", alone=True)
def an_unread_count_is_wrong(told: Story) -> None:
    told.change_member(BOB, unread=told.member(BOB).unread + 1)


@breaks("G3", "other", "are unread by the log", alone=True)
def a_read_mark_stands_beyond_the_head(told: Story) -> None:
    told.change_member(BOB, read_seq=99, unread=0)


@lawful
def everything_is_read(told: Story) -> None:
    told.change_member(BOB, read_seq=told.system.head(HALL), unread=0)


# --- G4


@breaks("G4", "lost", "events never came", alone=True)
def an_event_never_comes(told: Story) -> None:
    told.ann.records.remove(told.event(told.reply))


@breaks("G4", "lost", "events never came")
def an_event_before_a_removal_never_comes(told: Story) -> None:
    told.cid.records.insert(0, RoomAdded(HALL, told.entry(told.lost).seq - 1))
    told.cid.records.remove(first(told.cid, RoomAdded, lambda one: one.head > told.entry(told.lost).seq))


@breaks("G4", "lost", "was heard up to", alone=True)
def the_last_event_never_comes(told: Story) -> None:
    told.bob.records.pop()


@breaks("G4", "doubled", "that had come before", alone=True)
def an_event_comes_twice(told: Story) -> None:
    told.ann.records.append(told.event(told.more))


@breaks("G4", "doubled", "that had come before", alone=True)
def the_last_event_comes_twice(told: Story) -> None:
    told.ann.records.append(event_of(told.system.entry(HALL, told.system.head(HALL))))


@breaks("G4", "doubled", "that had come before")
def an_event_comes_late_and_twice(told: Story) -> None:
    two_events_change_places(told)
    told.ann.records.append(told.event(told.more))


@breaks("G4", "doubled", "that had come before", alone=True)
def an_event_comes_twice_to_a_slow_reader(told: Story) -> None:
    told.ann.records += [Stalled(0), told.event(told.more)]


@breaks("G4", "doubled", "from before the resume point", alone=True)
def an_event_comes_from_before_the_resume_point(told: Story) -> None:
    told.bob.records.insert(0, event_of(told.system.entry(HALL, told.bob.resume[HALL])))


@breaks("G4", "out of order", "came after a later one", alone=True)
def two_events_change_places(told: Story) -> None:
    swap(told.ann, told.event(told.more), told.event(told.reply))


@breaks("G4", "lost", "that one was not told of", alone=True)
def a_member_is_not_told_of_their_room(told: Story) -> None:
    told.ann.welcome = [WelcomeRoom(HALL, 4)]
    told.ann.records[:] = [one for one in told.ann.records if not (isinstance(one, Event) and one.room_id == ATTIC)]


@breaks("G4", "lost", "events never came", alone=True)
def what_is_skipped_is_named_by_no_gap(told: Story) -> None:
    told.dan.records.remove(first(told.dan, Gap))


@breaks("G4", "other", "a gap does not begin", alone=True)
def a_gap_begins_elsewhere(told: Story) -> None:
    gap = first(told.dan, Gap)
    replace(told.dan, gap, gap._replace(after=gap.after - 1))


@breaks("G4", "other", "a gap does not begin", alone=True)
def a_gap_has_nothing_in_it(told: Story) -> None:
    head = told.system.head(HALL)
    told.ann.records.append(Gap(HALL, head, head + 1))


@breaks("G4", "other", "a gap goes beyond the head")
def a_gap_goes_beyond_what_there_is(told: Story) -> None:
    gap = first(told.dan, Gap)
    replace(told.dan, gap, gap._replace(before=told.system.head(HALL) + 9))


@breaks("G4", "other", "a gap goes beyond the head", alone=True)
def a_gap_is_all_there_is_of_what_was_said_since(told: Story) -> None:
    head = told.system.head(HALL)
    events = [one for one in told.ann.records if isinstance(one, Event) and one.room_id == HALL]
    told.ann.records[:] = [one for one in told.ann.records if one not in events]
    told.ann.records.append(Gap(HALL, events[0].seq - 1, head + 1))


@breaks("G4", "other", "after the room's events had begun", alone=True)
def a_gap_comes_in_the_place_of_events_that_were_replayed(told: Story) -> None:
    gap = first(told.dan, Gap)
    events = [one for one in told.dan.records if isinstance(one, Event) and one.room_id == HALL][:3]
    told.dan.records.remove(gap)
    told.dan.records[:] = [one for one in told.dan.records if one not in events]
    replayed = event_of(told.system.entry(HALL, gap.after + 1))
    told.dan.records[0:0] = [replayed, Gap(HALL, gap.after + 1, events[-1].seq), events[-1]]


@breaks("G4", "other", "a gap goes beyond the head", alone=True)
def a_gap_comes_in_the_place_of_events_while_live(told: Story) -> None:
    more, reply = told.event(told.more), told.event(told.reply)
    told.ann.records.remove(reply)
    replace(told.ann, more, Gap(HALL, more.seq - 1, reply.seq + 1))


@lawful
def a_gap_reaches_to_the_head(told: Story) -> None:
    gap = first(told.dan, Gap)
    head = dict(told.dan.welcome or ())[HALL]
    told.dan.records[:] = [
        one for one in told.dan.records if not (isinstance(one, Event) and one.room_id == HALL and one.seq <= head)
    ]
    replace(told.dan, gap, gap._replace(before=head + 1))


@breaks("G4", "other", "a room was added that one was in", alone=True)
def a_room_is_added_twice(told: Story) -> None:
    added = first(told.cid, RoomAdded)
    told.cid.records.insert(place(told.cid, added), added)


@breaks("G4", "other", "begins neither with one's joining nor at its end", alone=True)
def an_added_room_begins_before_ones_joining(told: Story) -> None:
    joined = told.heard(told.cid, "member.joined")
    told.cid.records.insert(place(told.cid, joined), told.event(told.in_vain))


@breaks("G4", "lost", "events never came")
def an_added_room_begins_after_a_hole(told: Story) -> None:
    joined, added = told.heard(told.cid, "member.joined"), first(told.cid, RoomAdded)
    told.cid.records.remove(joined)
    replace(told.cid, added, added._replace(head=added.head - 1))


@breaks("G4", "other", "begins neither with one's joining nor at its end", alone=True)
def an_added_room_begins_with_a_gap_before_ones_joining(told: Story) -> None:
    joined = told.heard(told.cid, "member.joined")
    replace(told.cid, joined, Gap(HALL, joined.seq - 2, joined.seq + 1))


@lawful
def an_added_room_begins_with_a_gap(told: Story) -> None:
    joined = told.heard(told.cid, "member.joined")
    replace(told.cid, joined, Gap(HALL, joined.seq - 1, joined.seq + 1))


@lawful
def an_added_room_begins_after_its_head(told: Story) -> None:
    told.cid.records.remove(told.heard(told.cid, "member.joined"))


@breaks("G4", "lost", "never came back", alone=True)
def a_client_never_comes_back(told: Story) -> None:
    told.bob.quiet, told.bob.close_code = False, 1006


# --- G5


@breaks("G5", "leaked", "not told to be in", alone=True)
def an_event_comes_before_the_room_is_added(told: Story) -> None:
    told.cid.records.insert(0, told.event(told.in_vain))


@breaks("G5", "leaked", "not told to be in", alone=True)
def an_event_comes_after_the_room_is_removed(told: Story) -> None:
    told.cid.records.append(told.event(told.dan_first))


@breaks("G5", "leaked", "an event after one's removal")
def an_event_comes_after_ones_removal(told: Story) -> None:
    removed = first(told.cid, RoomRemoved)
    told.cid.records.insert(place(told.cid, removed), told.event(told.dan_first))


@breaks("G5", "leaked", "of a time when one was no member")
def an_event_comes_in_the_place_of_ones_removal(told: Story) -> None:
    told.cid.records.remove(first(told.cid, RoomRemoved))
    replace(told.cid, told.heard(told.cid, "member.removed"), told.event(told.dan_first))


@breaks("G5", "leaked", "of a time when one was no member")
def a_later_joining_does_not_open_what_came_before_it_was_heard(told: Story) -> None:
    """cid is a member again in the end, and that makes nothing good of what came before."""
    an_event_comes_in_the_place_of_ones_removal(told)
    data = {"user_id": CID, "role": "member", "username": CID, "display_name": CID}
    told.add_entry(told.entry(told.more), kind="member.joined", command_id=None, data=data)


@breaks("G5", "leaked", "somebody who is no member then")
def a_welcome_lists_a_room_that_one_is_not_in(told: Story) -> None:
    told.bob.welcome = [WelcomeRoom(HALL, told.entry(told.lost).seq), WelcomeRoom(ATTIC, 2)]


@breaks("G5", "leaked", "somebody who is no member then")
def a_room_is_added_that_one_is_not_in(told: Story) -> None:
    told.bob.records.append(RoomAdded(ATTIC, 2))


@breaks("G5", "leaked", "news of a room", alone=True)
def news_comes_of_a_room_that_one_is_not_in(told: Story) -> None:
    told.bob.records.append(News(ATTIC, "typing"))


@breaks("G5", "leaked", "news of a room", alone=True)
def news_comes_after_ones_removal(told: Story) -> None:
    removed = first(told.cid, RoomRemoved)
    told.cid.records.insert(place(told.cid, removed), News(HALL, "read"))


@breaks("G5", "leaked", "news of a room", alone=True)
def a_gap_comes_of_a_room_that_one_is_not_in(told: Story) -> None:
    told.bob.records.append(Gap(ATTIC, 0, 2))


@breaks("G5", "other", "without the event of that", alone=True)
def a_room_is_removed_without_the_event_of_it(told: Story) -> None:
    told.cid.records.remove(told.heard(told.cid, "member.removed"))


@breaks("G5", "other", "without the event of that", alone=True)
def a_room_is_removed_that_was_never_there(told: Story) -> None:
    told.cid.records.append(RoomRemoved(ATTIC, "removed"))


@lawful
def a_room_is_removed_that_was_to_be_resumed(told: Story) -> None:
    told.cid.resume[ATTIC] = 1
    told.cid.records.insert(0, RoomRemoved(ATTIC, "removed"))


@breaks("G5", "other", "without the event of that")
def a_room_that_was_resumed_is_removed_without_the_event_of_it(told: Story) -> None:
    told.bob.records.append(RoomRemoved(HALL, "removed"))


@breaks("G5", "other", "never told to be out")
def a_removed_member_is_not_told_to_be_out(told: Story) -> None:
    told.cid.records.remove(first(told.cid, RoomRemoved))


@breaks("G5", "leaked", "no member any more", alone=True)
def a_room_is_read_by_somebody_who_was_removed(told: Story) -> None:
    _read_after_all(told, CID)


@breaks("G5", "leaked", "no member any more", alone=True)
def a_room_is_read_by_somebody_who_joined_again_only_later(told: Story) -> None:
    _read_after_all(told, CID)
    told.system.history.changes.append(Change("join", HALL, CID, told.system.tick(), told.system.tick(), 200))


@lawful
def a_room_is_read_by_somebody_who_may_have_joined_again(told: Story) -> None:
    _read_after_all(told, CID)
    page = told.system.history.pages[-2]
    told.system.history.changes.append(Change("join", HALL, CID, page.sent_at, page.answered_at, None))


@lawful
def a_room_is_read_while_one_is_being_removed(told: Story) -> None:
    _read_after_all(told, CID)
    changes, page = told.system.history.changes, told.system.history.pages[-2]
    removal = next(one for one in changes if one.action == "remove")
    changes[changes.index(removal)] = removal._replace(answered_at=page.answered_at)


@lawful
def a_room_is_read_by_somebody_whose_removal_was_refused(told: Story) -> None:
    _read_after_all(told, CID)
    changes = told.system.history.changes
    changes[:] = [one._replace(status=403) if one.action == "remove" else one for one in changes]


@breaks("G5", "leaked", "who never was a member", alone=True)
def a_room_is_read_by_somebody_who_never_was_in_it(told: Story) -> None:
    _read_after_all(told, DAN)


def _read_after_all(told: Story, user_id: str) -> None:
    pages: list[Page] = told.system.history.pages
    pages[:] = [one._replace(status=200) if one.user_id == user_id else one for one in pages]


@breaks("G5", "leaked", "not by the log")
def somebody_is_a_member_who_was_removed(told: Story) -> None:
    told.system.final.members.append(Member(HALL, CID, "member", 0, 0))


@breaks("G5", "leaked", "still in the log")
def a_deleted_text_is_still_in_the_log(told: Story) -> None:
    told.change_entry(told.entry(told.oops), data={"text": "as edited"})


@breaks("G5", "leaked", "still in the log")
def a_deleted_text_is_in_the_log_elsewhere(told: Story) -> None:
    told.change_entry(told.entry(told.more), data={"text": told.oops.text})


@breaks("G5", "leaked", "still among the messages", alone=True)
def a_deleted_text_is_still_among_the_messages(told: Story) -> None:
    told.message(told.oops).text = "as edited"


@breaks("G5", "leaked", "still among the messages")
def a_deleted_text_is_among_the_messages_elsewhere(told: Story) -> None:
    told.message(told.more).text = told.oops.text


# --- G6


@breaks("G6", "out of order", "took effect before one that was sent earlier", alone=True)
def two_commands_take_effect_in_the_other_order(told: Story) -> None:
    swap(told.ann, told.sent(told.ann, told.hello), told.sent(told.ann, told.more))


@breaks("G6", "out of order", "took effect before one that was sent earlier", alone=True)
def a_command_without_an_ack_takes_effect_too_early(told: Story) -> None:
    swap(told.dan_before, told.sent(told.dan_before, told.dan_first), told.sent(told.dan_before, told.dan_last))


@breaks("G6", "out of order", "took effect before one that was sent earlier", alone=True)
def a_command_that_was_repeated_after_its_ack_took_effect_too_early(told: Story) -> None:
    two_commands_take_effect_in_the_other_order(told)
    for command in (told.hello, told.more):
        told.ann.records += [
            told.sent(told.ann, command)._replace(at=told.system.tick()),
            told.ack(told.ann, command)._replace(duplicate=True, received_at=told.system.tick()),
        ]


@lawful
def a_command_that_was_called_unavailable_has_taken_effect_late(told: Story) -> None:
    a_command_that_was_unavailable_has_an_entry(told)
    swap(told.ann, told.sent(told.ann, told.more), told.sent(told.ann, told.hello))


@lawful
def a_command_that_was_unavailable_at_first_takes_effect_late(told: Story) -> None:
    sent = told.sent(told.ann, told.in_vain)
    told.ann.records.remove(sent)
    told.ann.records.insert(0, sent)


@lawful
def a_command_that_was_sent_again_before_its_ack_takes_effect_late(told: Story) -> None:
    ack = told.ack(told.ann, told.more)
    told.bob.user_id = told.bob_before.user_id  # the same people as before
    sent = told.sent(told.ann, told.more)
    told.ann.records.remove(sent)
    told.ann.records[0:0] = [sent._replace(at=0.0), sent]
    told.ann.records.append(Error(told.more.id, "unavailable", ack.received_at))


# --- G7


@breaks("G7", "lost", "events never came", alone=True)
def a_slow_reader_misses_an_event(told: Story) -> None:
    told.dan_before.records.remove(told.event(told.more))
    told.dan_before.records.insert(0, Stalled(0))


@breaks("G7", "lost", "was heard up to", alone=True)
def a_slow_reader_never_hears_the_end(told: Story) -> None:
    told.ann.records.insert(0, Stalled(0))
    told.ann.records.remove(event_of(told.system.entry(HALL, told.system.head(HALL))))


@breaks("G7", "other", "who did not read was closed with 4029", alone=True)
def a_slow_reader_is_closed_with_another_code(told: Story) -> None:
    told.dan_before.close_code = 4029


@breaks("G7", "lost", "never came back after it was closed with 4008", alone=True)
def a_slow_reader_never_comes_back(told: Story) -> None:
    told.dan.quiet, told.dan.close_code = False, 4008
    told.dan.records.append(Stalled(0))


@breaks("G7", "lost", "never came back after it was closed with 4008", alone=True)
def a_slow_reader_is_never_let_in_again(told: Story) -> None:
    told.dan.quiet, told.dan.close_code, told.dan.welcome = False, 1006, None
    told.dan.records.clear()


@breaks("G7", "other", "who read all along was closed with 4008", alone=True)
def somebody_who_reads_is_called_slow(told: Story) -> None:
    told.bob_before.close_code = 4008


@breaks("G7", "other", "who read all along was closed with 4029", alone=True)
def somebody_who_reads_is_closed_with_another_code(told: Story) -> None:
    told.bob_before.close_code = 4029


@breaks("G7", "other", "who read all along was closed with 1009", alone=True)
def somebody_is_turned_away_as_no_fault_does(told: Story) -> None:
    refused = told.system.connect("client of bob", BOB)
    refused.welcome, refused.close_code = None, 1009
    refused.records.clear()


@breaks("G7", "other", "who read all along was closed with 1002", alone=True)
def somebody_is_sent_a_frame_that_is_none(told: Story) -> None:
    told.bob_before.close_code = 1002


@lawful
def the_proxy_has_ended_in_the_midst_of_a_frame(told: Story) -> None:
    told.bob_before.close_code = 1002
    for connection in told.system.history.connections:
        connection.closed_at = told.bob_before.closed_at


@lawful
def a_token_has_run_out_by_a_clock_that_was_wrong(told: Story) -> None:
    told.bob_before.close_code = 4001


# --- G8


@breaks("G8", "other", "told internal, which no outage explains", alone=True)
def a_command_is_answered_with_a_bug(told: Story) -> None:
    error = first(told.ann, Error)
    replace(told.ann, error, error._replace(code="internal"))


@breaks("G8", "other", "told bad_frame, which no outage explains", alone=True)
def what_was_said_rightly_is_called_wrong(told: Story) -> None:
    told.ann.records.append(Error(None, "bad_frame", told.system.now))


@breaks("G8", "other", "told too_long, which no outage explains")
def a_short_text_is_called_too_long(told: Story) -> None:
    ack = told.ack(told.ann, told.more)
    replace(told.ann, ack, Error(told.more.id, "too_long", ack.received_at))


# --- G9

ONE, TWO = "one@example.com", "two@example.com"


@breaks("G9", "doubled", "registered twice", alone=True)
def an_email_is_registered_twice(told: Story) -> None:
    _register(told, ONE, after=1)


@breaks("G9", "doubled", "registered twice", alone=True)
def an_email_is_registered_twice_and_only_then_deleted(told: Story) -> None:
    _register(told, TWO, after=-0.005)


@breaks("G9", "doubled", "registered twice", alone=True)
def an_email_is_registered_twice_though_its_deletion_was_refused(told: Story) -> None:
    told.system.history.deletions[:] = [one._replace(status=403) for one in told.system.history.deletions]
    _register(told, TWO, after=1)


@lawful
def a_deleted_email_is_registered_again(told: Story) -> None:
    _register(told, TWO, after=1)


@lawful
def an_email_is_registered_again_that_may_have_been_deleted(told: Story) -> None:
    told.system.history.deletions[:] = [one._replace(status=None) for one in told.system.history.deletions]
    _register(told, TWO, after=1)


@breaks("G9", "doubled", "registered twice", alone=True)
def an_email_is_registered_twice_after_it_was_deleted(told: Story) -> None:
    for _ in range(2):
        _register(told, TWO, after=1)
        told.system.tick()


@breaks("G9", "other", "an answer that no outage explains", alone=True)
def a_registration_is_called_wrong(told: Story) -> None:
    told.system.history.registrations.append(Registration("three@example.com", 1, 1, 422, "invalid_request"))


@breaks("G9", "doubled", "accounts have the email", alone=True)
def two_accounts_have_one_email(told: Story) -> None:
    told.system.final.emails.append(ONE)


@breaks("G9", "lost", "and has no account", alone=True)
def a_registered_email_has_no_account(told: Story) -> None:
    told.system.final.emails.remove(ONE)


@breaks("G9", "lost", "and has no account", alone=True)
def an_email_has_no_account_though_its_deletion_was_refused(told: Story) -> None:
    told.system.history.deletions[:] = [one._replace(status=403) for one in told.system.history.deletions]


@breaks("G9", "lost", "and has no account", alone=True)
def an_email_has_no_account_that_was_registered_after_its_deletion(told: Story) -> None:
    _register(told, TWO, after=1)
    told.system.final.emails.remove(TWO)


@breaks("G9", "lost", "and can't log in", alone=True)
def somebody_registered_cannot_log_in(told: Story) -> None:
    logins: list[Login] = told.system.history.logins
    logins[:] = [one._replace(status=401) for one in logins]


@lawful
def somebody_cannot_log_in_before_they_are_registered(told: Story) -> None:
    told.system.history.logins.append(Login(ONE, 0, 0, 401))


@lawful
def a_login_has_no_answer(told: Story) -> None:
    told.system.history.logins[:] = [one._replace(status=None) for one in told.system.history.logins]


@breaks("G9", "other", "was called available", alone=True)
def a_registered_email_is_called_available(told: Story) -> None:
    _call_available(told, ONE, after=0.4)


@breaks("G9", "other", "was called available", alone=True)
def an_email_that_was_said_to_be_taken_is_called_available(told: Story) -> None:
    registrations = told.system.history.registrations
    registrations[:] = [
        one._replace(status=409, code="email_taken") if one.email == TWO else one for one in registrations
    ]
    told.system.history.deletions.clear()
    _call_available(told, TWO, after=0.4)


@lawful
def a_registered_email_is_called_available_for_a_moment(told: Story) -> None:
    told.system.history.registrations.pop()  # which has said again that it is taken
    _call_available(told, ONE, after=0.2)


@lawful
def a_deleted_email_is_called_available(told: Story) -> None:
    _call_available(told, TWO, after=2)


@lawful
def an_email_whose_username_was_taken_is_called_available(told: Story) -> None:
    told.system.history.registrations.append(Registration("three@example.com", 1, 1, 409, "username_taken"))
    told.system.history.availabilities.append(Availability("three@example.com", 2, 2, available=True))


@breaks("G9", "other", "was called available", alone=True)
def an_email_is_called_available_before_it_is_deleted(told: Story) -> None:
    registered = next(one for one in told.system.history.registrations if one.email == TWO)
    told.system.history.deletions[:] = [Deletion(TWO, registered.answered_at + 5, registered.answered_at + 5.1, 204)]
    _call_available(told, TWO, after=2)


@breaks("G9", "other", "was called available")
def an_email_is_called_available_though_its_deletion_was_refused(told: Story) -> None:
    told.system.history.deletions[:] = [one._replace(status=403) for one in told.system.history.deletions]
    _call_available(told, TWO, after=2)


@breaks("G9", "other", "was called available", alone=True)
def an_email_is_called_available_that_was_registered_after_its_deletion(told: Story) -> None:
    _register(told, TWO, after=1)
    _call_available(told, TWO, after=2)


def _register(told: Story, email: str, *, after: float) -> None:
    """Once more, so long after all, or so long before the email's deletion."""
    history = told.system.history
    if after < 0:
        at = min(one.sent_at for one in history.deletions if one.email == email) + after
    else:
        at = told.system.now + after
    history.registrations.append(Registration(email, at - 0.001, at, 201))
    if email not in told.system.final.emails:
        told.system.final.emails.append(email)


def _call_available(told: Story, email: str, *, after: float) -> None:
    history = told.system.history
    at = max(one.answered_at for one in history.registrations if one.email == email) + after
    history.availabilities.append(Availability(email, at, at + 0.001, available=True))


# --- the tests


def test_how_long_an_email_may_be_called_available_is_the_callers_to_say() -> None:
    told = story()
    _call_available(told, ONE, after=0.4)

    assert not check(told.system.history, told.system.final, filter_grace_s=0.5)


@pytest.mark.parametrize(("forge", "promise", "column", "told", "alone"), FORGERIES)
def test_what_breaks_a_promise_is_found(forge: Forgery, promise: str, column: Column, told: str, alone: bool) -> None:
    forged = story()
    forge(forged)

    violations = check(forged.system.history, forged.system.final)

    found = [one for one in violations if (one.promise, one.column) == (promise, column) and told in one.what]
    assert found, report(forged.system.history, violations)
    assert len(violations) == 1 or not alone, report(forged.system.history, violations)


@pytest.mark.parametrize("forge", LAWFUL)
def test_what_breaks_nothing_is_passed_over(forge: Forgery) -> None:
    forged = story()
    forge(forged)

    violations = check(forged.system.history, forged.system.final)

    assert not violations, report(forged.system.history, violations)
