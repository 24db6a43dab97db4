"""The index by which messages are found. It is changed in the transaction that changes a message's text.

It holds what `words` makes of a text, so that a database only has to find equal words, and beginnings of words: with
PostgreSQL's full text search (no parser, no language) or SQLite's FTS5.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.models import message_words
from chat_service.services.rows import Row
from chat_service.words import is_beginning, words

Texts = Iterable[tuple[UUID, UUID, str]]
"""Message, its room, and its text."""

_HAS_SECURE_DELETE = sqlite3.sqlite_version_info >= (3, 42)

_ON_POSTGRESQL = text(
    "SELECT message_id, words FROM message_words"
    " WHERE words::tsvector @@ CAST(:words AS tsquery) AND ARRAY[room_id] && CAST(:room_ids AS uuid[])"
    " ORDER BY message_id DESC LIMIT :limit"
).bindparams(bindparam("room_ids", type_=ARRAY(Uuid())))
_ON_SQLITE = text(
    "SELECT message_id, words FROM message_words WHERE message_words MATCH :expression"
    " ORDER BY message_id DESC LIMIT :limit"
)


def word_rows(texts: Texts) -> list[Row]:
    """What to add to `message_words` so that messages are found: new ones, or such as have been taken out."""
    return [(message_id, room_id, " ".join(words(text))) for message_id, room_id, text in texts]


async def take_out(session: AsyncSession, message_ids: Collection[UUID]) -> None:
    """Make messages be found no more, and forget their words."""
    if not message_ids:
        return
    if _is_sqlite(session):
        await _delete_on_sqlite(session, message_ids)
    else:
        await session.execute(delete(message_words).where(message_words.c.message_id.in_(message_ids)))


async def matches(
    session: AsyncSession, sought: Sequence[str], room_ids: Collection[UUID], limit: int
) -> list[tuple[UUID, str]]:
    """The newest messages in these rooms that have all the words, or of the last one what begins so, if it
    `is_beginning`; with each all its words, spaces between."""
    if _is_sqlite(session):
        expression = f"words : ({_all_of(sought)}) AND {_any_of('room_id', room_ids)}"
        found = await session.execute(_ON_SQLITE, {"expression": expression, "limit": limit})
        return [(UUID(message_id), words) for message_id, words in found]
    query = " & ".join([f"'{word}'" for word in sought]) + (":*" if is_beginning(sought[-1]) else "")
    found = await session.execute(_ON_POSTGRESQL, {"words": query, "room_ids": list(room_ids), "limit": limit})
    return [(message_id, words) for message_id, words in found]


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


async def _delete_on_sqlite(session: AsyncSession, message_ids: Collection[UUID]) -> None:
    """By the index itself: a virtual table has no other.

    FTS5 only marks words as deleted, and drops them when it next merges that part of the index; until then their bytes
    stay in the file, though nothing finds them, and in no order that would tell the text. From SQLite 3.42 on it can
    be told to take them out at once.
    """
    if _HAS_SECURE_DELETE:
        # kept in the file, so said once would do: but a file may have been made before the library could
        await session.execute(text("INSERT INTO message_words(message_words, rank) VALUES ('secure-delete', 1)"))
    found = text("DELETE FROM message_words WHERE message_words MATCH :expression")
    await session.execute(found, {"expression": _any_of("message_id", message_ids)})


def _all_of(sought: Sequence[str]) -> str:
    return " AND ".join([f'"{word}"' for word in sought]) + (" *" if is_beginning(sought[-1]) else "")


def _any_of(column: str, ids: Collection[UUID]) -> str:
    either = " OR ".join([f'"{id.hex}"' for id in ids])
    return f"{column} : ({either})"
