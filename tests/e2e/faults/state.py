"""What the database holds when a run is over. Ids and times are as the interface writes them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.e2e.faults.history import Json


class Entry(NamedTuple):
    room_id: str
    seq: int
    id: str
    kind: str
    actor_id: str
    command_id: str | None
    at: str
    data: Json


class Room(NamedTuple):
    id: str
    head: int


@dataclass(slots=True)
class Message:
    """`reactions` are pairs of an emoji and a user."""

    id: str
    room_id: str
    seq: int
    sender_id: str
    text: str | None
    reply_to: str | None
    at: str
    edited_at: str | None = None
    deleted: bool = False
    reactions: set[tuple[str, str]] = field(default_factory=set)


class Member(NamedTuple):
    room_id: str
    user_id: str
    role: str
    read_seq: int
    unread: int


@dataclass(slots=True)
class Final:
    """`emails` are the canonical addresses of all accounts. Texts are abridged."""

    rooms: list[Room] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)

    def of(self, room_ids: Collection[str]) -> "Final":
        """What concerns these rooms, and all accounts."""
        return Final(
            rooms=[room for room in self.rooms if room.id in room_ids],
            entries=[entry for entry in self.entries if entry.room_id in room_ids],
            messages=[message for message in self.messages if message.room_id in room_ids],
            members=[member for member in self.members if member.room_id in room_ids],
            emails=self.emails,
        )
