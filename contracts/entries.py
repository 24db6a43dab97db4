"""What the entries of a room's log say: the `data` of one, by its kind.

chat_service writes entries from these models alone. New kinds may come at any time: a reader passes on, or passes
over, a kind that it does not know.

An account that is deleted is called `DELETED_USERNAME` and `DELETED_DISPLAY_NAME` from then on, in old entries as well:
its own names are erased from every log.
"""

from typing import ClassVar
from uuid import UUID

from contracts.fields import Contract, Role

DELETED_USERNAME = "deleted"
DELETED_DISPLAY_NAME = "Deleted user"


class EntryData(Contract):
    kind: ClassVar[str]


class MessagePosted(EntryData):
    """`text` is None once it has been deleted. `reply_to` is the id of another message of the room."""

    kind: ClassVar[str] = "message.posted"

    message_id: UUID
    text: str | None
    reply_to: UUID | None


class MessageEdited(EntryData):
    """The message's text from here on; None once the message has been deleted."""

    kind: ClassVar[str] = "message.edited"

    message_id: UUID
    text: str | None


class MessageDeleted(EntryData):
    """What the message said is gone, from the log as well: the texts of its earlier entries are None now."""

    kind: ClassVar[str] = "message.deleted"

    message_id: UUID


class ReactionAdded(EntryData):
    """By the entry's actor, whose reaction it may have been before: to add it again changes nothing."""

    kind: ClassVar[str] = "reaction.added"

    message_id: UUID
    emoji: str


class ReactionRemoved(EntryData):
    """By the entry's actor, who may not have reacted so: to remove what isn't there changes nothing."""

    kind: ClassVar[str] = "reaction.removed"

    message_id: UUID
    emoji: str


class MemberJoined(EntryData):
    """The names are those of the moment, or those of a deleted user once the account is deleted."""

    kind: ClassVar[str] = "member.joined"

    user_id: UUID
    role: Role
    username: str
    display_name: str


class MemberLeft(EntryData):
    kind: ClassVar[str] = "member.left"

    user_id: UUID


class MemberRemoved(EntryData):
    """By somebody else, who is the entry's actor."""

    kind: ClassVar[str] = "member.removed"

    user_id: UUID


class MemberRoleChanged(EntryData):
    kind: ClassVar[str] = "member.role_changed"

    user_id: UUID
    role: Role


class RoomUpdated(EntryData):
    """The room's name and topic from here on. With `deleted`, the last entry of a room that is no more."""

    kind: ClassVar[str] = "room.updated"

    name: str | None
    topic: str | None
    deleted: bool


ENTRIES: tuple[type[EntryData], ...] = (
    MessagePosted,
    MessageEdited,
    MessageDeleted,
    ReactionAdded,
    ReactionRemoved,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    RoomUpdated,
)
