"""Chat_service's database (PostgreSQL), grown at once to what would take hours over the public interface: by rows like
those that it writes itself."""

from typing import TypeAlias
from uuid import UUID

import asyncpg

from chat_service.words import words
from common.ids import uuid7
from contracts.entries import MemberJoined, MessagePosted

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_NOW = "date_trunc('milliseconds', now())"
_MADE = "FROM unnest($2::uuid[]) AS made (room_id) JOIN users ON users.id = $1"
_MAKE_ROOMS = (
    "INSERT INTO rooms (id, kind, name, name_canonical, head, message_count, member_count, created_at)"
    f" SELECT room_id, 'private', 'A room', 'a room', 1, 0, 1, {_NOW} {_MADE}",
    "INSERT INTO entries (room_id, seq, id, kind, actor_id, at, data)"
    f" SELECT room_id, 1, gen_random_uuid(), '{MemberJoined.kind}', users.id, {_NOW}, json_build_object("
    f"'user_id', users.id, 'role', 'owner', 'username', username, 'display_name', display_name) {_MADE}",
    f"INSERT INTO joinings (user_id, room_id, seq) SELECT users.id, room_id, 1 {_MADE}",
    "INSERT INTO members (room_id, user_id, role, joined_at, read_seq, read_count)"
    f" SELECT room_id, users.id, 'owner', {_NOW}, 1, 0 {_MADE}",
)

# a text that is its own words; ids as `uuid7` makes them, a millisecond apart
_POST = """
INSERT INTO entries (room_id, seq, id, kind, actor_id, command_id, at, data)
SELECT $1, $3 + number, id, $5, $2, gen_random_uuid(), at,
    json_build_object('message_id', id, 'text', text, 'reply_to', NULL)
FROM generate_series(1, $4::bigint) AS number,
    LATERAL (SELECT date_trunc('milliseconds', now()) - ($4 - number) * interval '1 ms', md5(number::text),
        concat('line ', number, ' of a long history in which ', number % 5000, ' names ', number % 77)
    ) AS made (at, random, text),
    LATERAL (SELECT lpad(to_hex((1000 * extract(epoch FROM at))::bigint), 12, '0')) AS since (milliseconds),
    LATERAL (SELECT concat(milliseconds, '7', left(random, 3), '8', right(random, 15))::uuid) AS named (id)
"""
_KEEP_MESSAGES = (
    "INSERT INTO messages (id, room_id, seq, sender_id, text, at, deleted)"
    " SELECT id, room_id, seq, actor_id, data ->> 'text', at, false FROM entries WHERE room_id = $1 AND seq > $2"
)
_KEEP_WORDS = (
    "INSERT INTO message_words (message_id, room_id, words)"
    " SELECT id, room_id, text FROM messages WHERE room_id = $1 AND seq > $2"
)


async def add_rooms(connection: Connection, owner_id: UUID, number: int) -> list[UUID]:
    """Private rooms of somebody who has made one before, with nobody else in them."""
    room_ids = [uuid7() for _ in range(number)]
    async with connection.transaction():
        for statement in _MAKE_ROOMS:
            await connection.execute(statement, owner_id, room_ids)
    await _settle(connection)
    return room_ids


async def add_messages(connection: Connection, room_id: UUID, sender_id: UUID, number: int) -> None:
    """To a room in which nobody else is, nor listens."""
    async with connection.transaction():
        head = await connection.fetchval("SELECT head FROM rooms WHERE id = $1 FOR UPDATE", room_id)
        await connection.execute(_POST, room_id, sender_id, head, number, MessagePosted.kind)
        await connection.execute(_KEEP_MESSAGES, room_id, head)
        await connection.execute(_KEEP_WORDS, room_id, head)
        await connection.execute(
            "UPDATE rooms SET head = head + $2, message_count = message_count + $2 WHERE id = $1", room_id, number
        )
        await connection.execute("UPDATE members SET read_count = read_count + $2 WHERE room_id = $1", room_id, number)
    last = await connection.fetchrow(
        "SELECT text, words FROM messages JOIN message_words ON message_id = id WHERE messages.room_id = $1"
        " ORDER BY seq DESC LIMIT 1",
        room_id,
    )
    if last is not None and words(last["text"]) != last["words"].split():
        raise AssertionError(f"{last['words']!r} are not the words of {last['text']!r}")
    await _settle(connection)


async def _settle(connection: Connection) -> None:
    """Leave nothing to be done that the server would do by and by."""
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
