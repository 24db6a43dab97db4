"""One room at the hub: who listens, and what is on its way to them. Synchronous; no I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from contracts.entries import MemberLeft, MemberRemoved, RoomUpdated
from contracts.messages import RoomEntry

Reason = Literal["left", "removed", "room_deleted"]

ENDINGS = frozenset({MemberLeft.kind, MemberRemoved.kind, RoomUpdated.kind})
"""Only these may be the last that somebody sees."""

_MAX_TOGETHER = 128 * 1024
"""Bytes: so much is handed to a listener at once, which may then find that its socket takes no more."""


class Listener(Protocol):
    """A connection, as the hub sees it. Must be hashable."""

    @property
    def user_id(self) -> UUID: ...

    @property
    def deliver(self) -> Callable[[bytes], None]:
        """Takes whole frames, one after the other."""

    def removed(self, room_id: UUID, reason: Reason) -> None: ...


class Prepared(NamedTuple):
    """An entry, framed for everybody."""

    entry: RoomEntry
    frame: bytes


@dataclass(slots=True, eq=False)
class Room:
    """`last` is the seq of the last entry passed on, None until the first catch-up tells it; `head` is the highest that
    was heard of. Listeners are `live`, who have had everything up to `last` but what is still `outgoing`; `ahead`, who
    have had more, up to their position; or `held` back. `entries` are the ones after `last`, and while anybody is held
    back also those before it."""

    id: UUID
    last: int | None = None
    head: int = 0
    live: dict[Listener, None] = field(default_factory=dict)
    ahead: dict[Listener, int] = field(default_factory=dict)
    held: set[Listener] = field(default_factory=set)
    entries: dict[int, Prepared] = field(default_factory=dict)
    outgoing: list[bytes] = field(default_factory=list)

    @property
    def has_hole(self) -> bool:
        return self.last is not None and self.last < self.head

    @property
    def is_empty(self) -> bool:
        return not (self.live or self.ahead or self.held)

    def __contains__(self, listener: Listener) -> bool:
        return listener in self.live or listener in self.ahead or listener in self.held

    def flush(self) -> int:
        """Hand those who are live what is outgoing: to be called before who is live changes. Returns how many frames
        were delivered."""
        frames, self.outgoing = self.outgoing, []
        for together in _joined(frames):
            for listener in self.live:
                listener.deliver(together)
        return len(frames) * len(self.live)

    def go_back(self, last: int) -> None:
        """Pass on again what comes after `last`, to those who have not had it."""
        if self.last is not None:
            self.ahead.update(dict.fromkeys(self.live, self.last))
        self.live.clear()
        self.last = last

    def reached(self) -> list[Listener]:
        """Those ahead who are so no more."""
        last = self.last or 0
        return [listener for listener, position in self.ahead.items() if position <= last]

    def forget_passed_on(self) -> None:
        if not self.held and self.last is not None:
            for seq in [seq for seq in self.entries if seq <= self.last]:
                del self.entries[seq]


def _joined(frames: list[bytes]) -> Iterator[bytes]:
    """In order, as few as may be."""
    together: list[bytes] = []
    size = 0
    for frame in frames:
        together.append(frame)
        size += len(frame)
        if size >= _MAX_TOGETHER:
            yield b"".join(together)
            together, size = [], 0
    if together:
        yield together[0] if len(together) == 1 else b"".join(together)


def removal(entry: RoomEntry, user_id: UUID) -> Reason | None:
    """Why this entry is the last one that the user may see."""
    match entry.kind:
        case MemberLeft.kind if entry.data.get("user_id") == str(user_id):
            return "left"
        case MemberRemoved.kind if entry.data.get("user_id") == str(user_id):
            return "removed"
        case RoomUpdated.kind if entry.data.get("deleted"):
            return "room_deleted"
    return None
