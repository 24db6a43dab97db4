"""A run as JSON lines, so that one that failed can be judged again: `load(path)`, then `check(*…)`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.e2e.faults.history import (
    Ack,
    Availability,
    Change,
    Command,
    Connection,
    Deletion,
    Error,
    Event,
    Gap,
    History,
    Login,
    News,
    Page,
    Post,
    ReadOn,
    Registration,
    RoomAdded,
    RoomRemoved,
    Sent,
    Stalled,
    WelcomeRoom,
)
from tests.e2e.faults.state import Entry, Final, Member, Message, Room

_RECORDS = {one.__name__: one for one in (Sent, Event, Gap, RoomAdded, RoomRemoved, News, Ack, Error, Stalled, ReadOn)}

_OF_HISTORY = {
    "posts": Post,
    "changes": Change,
    "pages": Page,
    "registrations": Registration,
    "deletions": Deletion,
    "availabilities": Availability,
    "logins": Login,
}
_OF_FINAL = {"rooms": Room, "entries": Entry, "members": Member}


def store(path: Path, history: History, final: Final) -> None:
    with path.open("w") as file:
        for name, value in _lines(history, final):
            file.write(json.dumps([name, value], ensure_ascii=False, separators=(",", ":")))
            file.write("\n")


def load(path: Path) -> tuple[History, Final]:
    history, final = History(0), Final()
    with path.open() as file:
        for line in file:
            _read(history, final, *json.loads(line))
    return history, final


def _lines(history: History, final: Final) -> Iterator[tuple[str, object]]:
    yield "seed", history.seed
    for command in history.commands.values():
        yield "command", asdict(command)
    for connection in history.connections:
        fields = {name: getattr(connection, name) for name in Connection.__slots__}
        yield "connection", fields | {"records": [[type(one).__name__, *one] for one in connection.records]}
    for whole, kinds in ((history, _OF_HISTORY), (final, _OF_FINAL)):
        for name in kinds:
            for one in getattr(whole, name):
                yield name, one
    for message in final.messages:
        yield "message", asdict(message) | {"reactions": sorted(message.reactions)}
    for email in final.emails:
        yield "email", email


def _read(history: History, final: Final, name: str, value: Any) -> None:
    match name:
        case "seed":
            history.seed = value
        case "command":
            command = Command(**value)
            history.commands[command.user_id, command.id] = command
        case "connection":
            history.connections.append(_connection(value))
        case "message":
            reactions = {(emoji, user_id) for emoji, user_id in value["reactions"]}
            final.messages.append(Message(**{**value, "reactions": reactions}))
        case "pages":
            page = Page(*value)
            history.pages.append(page._replace(events=tuple(Event(*event) for event in page.events)))
        case "email":
            final.emails.append(value)
        case _ if name in _OF_HISTORY:
            getattr(history, name).append(_OF_HISTORY[name](*value))
        case _:
            getattr(final, name).append(_OF_FINAL[name](*value))


def _connection(value: dict[str, Any]) -> Connection:
    welcome = value["welcome"]
    return Connection(
        **{
            **value,
            "welcome": None if welcome is None else [WelcomeRoom(*room) for room in welcome],
            "records": [_RECORDS[name](*fields) for name, *fields in value["records"]],
        }
    )
