"""Who may do what in a room. Pure."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from common.text import MAX_MESSAGE_CHARACTERS, is_emoji
from contracts.fields import Role, RoomKind
from contracts.messages import Refusal

_RANKS: dict[Role | None, int] = {None: 0, "member": 1, "admin": 2, "owner": 3}
_ANYBODY, _MEMBER, _ADMIN, _OWNER, _NOBODY = range(5)


class Action(StrEnum):
    SEE = "see this room"
    READ = "read in this room"
    POST = "post in this room"
    EDIT = "edit your messages in this room"
    DELETE_OWN = "delete your messages in this room"
    DELETE_ANY = "delete the messages of others in this room"
    REACT = "react in this room"
    JOIN = "join this room"
    LEAVE = "leave this room"
    UPDATE = "change this room"
    DELETE = "delete this room"
    ADD_MEMBER = "add members to this room"
    REMOVE_MEMBER = "remove members from this room"
    APPOINT = "make or unmake admins of this room"
    BAN = "ban users from this room"
    MUTE = "mute members of this room"


class _Lowest(NamedTuple):
    """The lowest rank that may, by the kind of room."""

    public: int
    private: int
    direct: int


_TABLE = {
    Action.SEE: _Lowest(public=_ANYBODY, private=_MEMBER, direct=_MEMBER),
    Action.READ: _Lowest(public=_MEMBER, private=_MEMBER, direct=_MEMBER),
    Action.POST: _Lowest(public=_MEMBER, private=_MEMBER, direct=_MEMBER),
    Action.EDIT: _Lowest(public=_MEMBER, private=_MEMBER, direct=_MEMBER),
    Action.DELETE_OWN: _Lowest(public=_MEMBER, private=_MEMBER, direct=_MEMBER),
    Action.DELETE_ANY: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
    Action.REACT: _Lowest(public=_MEMBER, private=_MEMBER, direct=_MEMBER),
    Action.JOIN: _Lowest(public=_ANYBODY, private=_NOBODY, direct=_NOBODY),
    Action.LEAVE: _Lowest(public=_MEMBER, private=_MEMBER, direct=_NOBODY),
    Action.UPDATE: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
    Action.DELETE: _Lowest(public=_OWNER, private=_OWNER, direct=_NOBODY),
    Action.ADD_MEMBER: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
    Action.REMOVE_MEMBER: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
    Action.APPOINT: _Lowest(public=_OWNER, private=_OWNER, direct=_NOBODY),
    Action.BAN: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
    Action.MUTE: _Lowest(public=_ADMIN, private=_ADMIN, direct=_NOBODY),
}

# where somebody from outside is told that they are, rather than that they may not
_FOR_MEMBERS = frozenset(
    {
        Action.READ,
        Action.POST,
        Action.EDIT,
        Action.DELETE_OWN,
        Action.DELETE_ANY,
        Action.REACT,
        Action.LEAVE,
        Action.ADD_MEMBER,
        Action.REMOVE_MEMBER,
        Action.APPOINT,
        Action.BAN,
        Action.MUTE,
    }
)

MUTED_MAY_NOT = frozenset({Action.POST, Action.EDIT, Action.REACT})

MAX_EDITS = 1_000
"""Of one message. All of them lose their text at once when it is deleted."""

MAX_EMOJIS = 50
"""Different ones, on one message."""


def refusal(action: Action, kind: RoomKind, role: Role | None) -> Refusal | None:
    """Why somebody with this role (None: not a member) may not do that in a room of this kind. None if they may."""
    lowest: int = getattr(_TABLE[action], kind)
    if _RANKS[role] >= lowest:
        return None
    return Refusal.NOT_A_MEMBER if role is None and action in _FOR_MEMBERS else Refusal.FORBIDDEN


def refusal_of_role(kind: RoomKind, actor: Role | None, current: Role | None, wanted: Role) -> Refusal | None:
    """Why an actor may not give `wanted` to somebody whose role is `current` (None: who is to become a member).

    Nobody takes the owner's role; only the owner makes and unmakes admins.
    """
    refused = refusal(Action.ADD_MEMBER, kind, actor)
    if refused is None and wanted != current and "admin" in (wanted, current):
        refused = refusal(Action.APPOINT, kind, actor)
    if refused is None and current == "owner":
        refused = Refusal.FORBIDDEN
    return refused


def refusal_against(action: Action, kind: RoomKind, actor: Role | None, target: Role | None) -> Refusal | None:
    """Why an actor may not remove, ban or mute somebody of this role (None: not a member): it is done to those of a
    lower rank only, so by nobody to themselves."""
    refused = refusal(action, kind, actor)
    if refused is None and _RANKS[target] >= _RANKS[actor]:
        refused = Refusal.FORBIDDEN
    return refused


def refusal_of_deletion(kind: RoomKind, actor: Role | None, *, own: bool) -> Refusal | None:
    """Why an actor may not delete a message, of their own or somebody else's."""
    return refusal(Action.DELETE_OWN if own else Action.DELETE_ANY, kind, actor)


def refusal_of_text(text: str) -> Refusal | None:
    """Why a text can't be a message's."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return Refusal.TOO_LONG
    if not text or "\x00" in text:
        return Refusal.INVALID
    return None


def refusal_of_emoji(emoji: str) -> Refusal | None:
    """Why a text can't be a reaction's."""
    return None if is_emoji(emoji) else Refusal.INVALID


def joining_role(member_count: int) -> Role:
    """The role of somebody who joins: an empty room has no owner until then."""
    return "member" if member_count else "owner"


def direct_key(one: UUID, other: UUID) -> str:
    """The same for two users in either order."""
    return ":".join(sorted((str(one), str(other))))
