"""Reads what the database holds: the single process's files, or the stack's PostgreSQL."""

import json
import sqlite3
import tarfile
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

from contracts.fields import rfc3339
from tests.e2e.faults.history import Json, abridged
from tests.e2e.faults.state import Entry, Final, Member, Message, Room

Rows = Callable[[str, str], Iterable[Json]]
"""Answers a query of a service's database with its rows, each by the names of its columns."""

_ROWS_FILE = "/tmp/rows"

_ROOMS = "SELECT id, head FROM rooms"
_ENTRIES = "SELECT room_id, seq, id, kind, actor_id, command_id, at, data FROM entries ORDER BY room_id, seq"
_MESSAGES = "SELECT id, room_id, seq, sender_id, text, reply_to, at, edited_at, deleted FROM messages"
_REACTIONS = "SELECT message_id, emoji, user_id FROM reactions"
_MEMBERS = """SELECT m.room_id, m.user_id, m.role, m.read_seq, r.message_count - m.read_count AS unread
 FROM members m JOIN rooms r ON r.id = m.room_id"""
_EMAILS = "SELECT email_canonical FROM users"


def of_standalone(data_folder: Path) -> Final:
    """Of a single process that has ended, or does nothing any more."""

    def rows(service: str, query: str) -> Iterable[Json]:
        with closing(sqlite3.connect(f"file:{data_folder / service}.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            yield from map(dict, database.execute(query))

    return _final(rows)


def of_stack(postgres: Any) -> Final:
    """`postgres` is the container, of the Docker SDK, in which the databases are."""

    def rows(service: str, query: str) -> Iterable[Json]:
        as_json = f"SELECT to_jsonb(r) FROM ({query}) r"  # noqa: S608
        psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--username", "postgres", "--dbname", service]
        # by way of a file: of an output of many megabytes the engine may lose the end, and not say so
        code, output = postgres.exec_run([*psql, "--output", _ROWS_FILE, "--command", as_json])
        assert code == 0, output.decode()
        with TemporaryFile() as archive:
            archive.writelines(postgres.get_archive(_ROWS_FILE)[0])
            archive.seek(0)
            with tarfile.open(fileobj=archive) as files:
                (file,) = (found for one in files if (found := files.extractfile(one)) is not None)
                yield from map(json.loads, file)

    return _final(rows)


def _final(rows: Rows) -> Final:
    messages = {message.id: message for message in map(_message, rows("chat_service", _MESSAGES))}
    for row in rows("chat_service", _REACTIONS):
        messages[_id(row["message_id"])].reactions.add((row["emoji"], _id(row["user_id"])))
    return Final(
        rooms=[Room(_id(row["id"]), row["head"]) for row in rows("chat_service", _ROOMS)],
        entries=[_entry(row) for row in rows("chat_service", _ENTRIES)],
        messages=list(messages.values()),
        members=[
            Member(_id(row["room_id"]), _id(row["user_id"]), row["role"], row["read_seq"], row["unread"])
            for row in rows("chat_service", _MEMBERS)
        ],
        emails=[row["email_canonical"] for row in rows("user_service", _EMAILS)],
    )


def _entry(row: Json) -> Entry:
    data = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
    if data.get("text"):
        data["text"] = abridged(data["text"])
    return Entry(
        room_id=_id(row["room_id"]),
        seq=row["seq"],
        id=_id(row["id"]),
        kind=row["kind"],
        actor_id=_id(row["actor_id"]),
        command_id=_id(row["command_id"]) if row["command_id"] else None,
        at=_time(row["at"]),
        data=data,
    )


def _message(row: Json) -> Message:
    return Message(
        id=_id(row["id"]),
        room_id=_id(row["room_id"]),
        seq=row["seq"],
        sender_id=_id(row["sender_id"]),
        text=abridged(row["text"]) if row["text"] else row["text"],
        reply_to=_id(row["reply_to"]) if row["reply_to"] else None,
        at=_time(row["at"]),
        edited_at=_time(row["edited_at"]) if row["edited_at"] else None,
        deleted=bool(row["deleted"]),
    )


def _id(value: str) -> str:
    return str(UUID(value))


def _time(value: str) -> str:
    moment = datetime.fromisoformat(value)
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
