"""A small history in which every promise is kept, with names for what happens in it: made to be forged."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.e2e.faults.history import Ack, Command, Connection, Event, Record, Sent
from tests.e2e.faults.state import Entry, Member, Message
from tests.support.correct_system import CorrectSystem, event_of

Kind = TypeVar("Kind", bound=Record)

HALL, ATTIC = "hall", "attic"
MOD, ANN, BOB, CID, DAN = "mod", "ann", "bob", "cid", "dan"


@dataclass(slots=True)
class Story:
    """mod owns hall and attic. ann is in both and never leaves her one connection. bob loses one with a command on it,
    and comes back. cid is made a member of the hall, and removed again. dan is slow, is closed with 4008, and comes
    back to a gap. ann says `hello` (edited, answered, reacted to), `more`, and `oops` (deleted). mod posts over HTTP.
    """

    system: CorrectSystem
    ann: Connection
    bob_before: Connection
    bob: Connection
    cid: Connection
    dan_before: Connection
    dan: Connection
    hello: Command
    more: Command
    reply: Command
    edit: Command
    reaction: Command
    no_reaction: Command
    oops: Command
    deletion: Command
    lost: Command
    in_vain: Command
    dan_first: Command
    dan_last: Command
    posted: Entry

    # --- what is there

    def entry(self, command: Command) -> Entry:
        (entry,) = (one for one in self.system.final.entries if one.command_id == command.id)
        return entry

    def event(self, command: Command) -> Event:
        """As everybody has heard it who hears it now."""
        return event_of(self.entry(command))

    def message(self, command: Command) -> Message:
        return self.system.messages[self.entry(command).data["message_id"]]

    def heard(self, connection: Connection, kind: str, room_id: str = HALL) -> Event:
        """The first event on a connection whose entry is of that kind."""
        return next(
            record
            for record in connection.records
            if isinstance(record, Event)
            and record.room_id == room_id
            and self.system.entry(room_id, record.seq).kind == kind
        )

    def sent(self, connection: Connection, command: Command) -> Sent:
        return first(connection, Sent, lambda one: one.command_id == command.id)

    def ack(self, connection: Connection, command: Command) -> Ack:
        return first(connection, Ack, lambda one: one.command_id == command.id)

    # --- how it is forged

    def change_ack(self, connection: Connection, command: Command, **values: Any) -> None:
        ack = self.ack(connection, command)
        replace(connection, ack, ack._replace(**values))

    def change_entry(self, entry: Entry, *, data: dict[str, Any] | None = None, **values: Any) -> None:
        entries = self.system.final.entries
        entries[entries.index(entry)] = entry._replace(data={**entry.data, **(data or {})}, **values)

    def change_member(self, user_id: str, room_id: str = HALL, **values: Any) -> None:
        members = self.system.final.members
        member = self.member(user_id, room_id)
        members[members.index(member)] = member._replace(**values)

    def member(self, user_id: str, room_id: str = HALL) -> Member:
        return next(one for one in self.system.final.members if (one.user_id, one.room_id) == (user_id, room_id))

    def add_entry(self, like: Entry, **values: Any) -> None:
        """At the end of the room's log, heard by nobody."""
        seq = max(one.seq for one in self.system.final.entries if one.room_id == like.room_id) + 1
        self.system.final.entries.append(like._replace(**{"seq": seq, **values}))


def first(connection: Connection, kind: type[Kind], condition: Callable[[Kind], bool] = lambda _: True) -> Kind:
    return next(one for one in connection.records if isinstance(one, kind) and condition(one))


def place(connection: Connection, record: Record) -> int:
    """Where it stands, by identity or else by value."""
    return connection.records.index(record)


def replace(connection: Connection, record: Record, *by: Record) -> None:
    at = place(connection, record)
    connection.records[at : at + 1] = by


def swap(connection: Connection, one: Record, other: Record) -> None:
    here, there = place(connection, one), place(connection, other)
    records = connection.records
    records[here], records[there] = records[there], records[here]


def story() -> Story:
    system = CorrectSystem()
    for room_id in (HALL, ATTIC):
        system.change("join", room_id, MOD)
        system.change("join", room_id, ANN)
    system.change("join", HALL, BOB)
    system.change("join", HALL, DAN)
    ann, bob_before = system.connect("client of ann", ANN), system.connect("client of bob", BOB)
    cid, dan_before = system.connect("client of cid", CID), system.connect("client of dan", DAN)

    def say(connection: Connection, kind: str, id: str, **content: Any) -> Command:
        command = system.command(connection, kind, HALL, id=id, **content)
        system.send(connection, command)
        return command

    def latest() -> str:
        message_id: str = system.entry(HALL, system.head(HALL)).data["message_id"]
        return message_id

    hello = say(ann, "send", "hello", text="hello")
    about = latest()
    more = say(ann, "send", "more", text="and more")
    reply = say(bob_before, "send", "reply", text="hello to you", reply_to=about)
    edit = say(ann, "edit", "edit", text="hello, all", message_id=about)
    reaction = say(bob_before, "react", "reaction", message_id=about, emoji="👍", on=True)
    say(bob_before, "react", "other reaction", message_id=about, emoji="🎈", on=True)
    no_reaction = say(bob_before, "react", "no reaction", message_id=about, emoji="🎈", on=False)
    oops = say(ann, "send", "oops", text="oops")
    deletion = say(ann, "delete", "deletion", message_id=latest())
    system.mark_read(BOB, HALL, system.head(HALL) - 4)

    lost = system.command(bob_before, "send", HALL, id="lost", text="is this lost?")
    system.send_and_lose(bob_before, lost, arrives=True)
    bob = system.connect("client of bob", BOB, {HALL: system.head(HALL) - 1})
    system.send(bob, lost)

    in_vain = system.command(ann, "send", HALL, id="in vain", text="not yet")
    system.send_in_vain(ann, in_vain)
    system.send(ann, in_vain)

    system.change("add", HALL, CID, by=MOD)
    system.page(CID, HALL)
    system.change("remove", HALL, CID, by=MOD)
    say(ann, "send", "without cid", text="now that cid is gone")
    system.page(CID, HALL)
    system.page(DAN, ATTIC)

    system.stall(dan_before)
    dan_first = say(dan_before, "send", "first of dan", text="am I slow?")
    dan_last = system.command(dan_before, "send", HALL, id="last of dan", text="I am slow")
    system.send_and_lose(dan_before, dan_last, arrives=True)
    dan_before.close_code = 4008
    dan = system.connect("client of dan", DAN, {HALL: system.head(HALL) - 6}, replayed=3)

    posted = system.post(MOD, ATTIC, id="posted", text="over HTTP")
    system.post(MOD, ATTIC, id="posted", text="over HTTP")
    say(ann, "send", "good night", text="good night")

    system.ask("one@example.com")
    for email in ("one@example.com", "two@example.com"):
        system.register(email)
        system.ask(email)
    system.register("one@example.com")
    system.delete_account("two@example.com")
    system.log_in("one@example.com")
    system.end()
    return Story(
        system=system,
        ann=ann,
        bob_before=bob_before,
        bob=bob,
        cid=cid,
        dan_before=dan_before,
        dan=dan,
        hello=hello,
        more=more,
        reply=reply,
        edit=edit,
        reaction=reaction,
        no_reaction=no_reaction,
        oops=oops,
        deletion=deletion,
        lost=lost,
        in_vain=in_vain,
        dan_first=dan_first,
        dan_last=dan_last,
        posted=posted,
    )
