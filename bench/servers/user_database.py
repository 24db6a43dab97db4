"""User_service's database (PostgreSQL), grown at once to what would take days over the public interface: by rows like
those that it writes itself."""

from hashlib import sha256

from bench.servers.chat_database import Connection

# ids as `uuid7` makes them, a millisecond apart; nobody can log in, and digests are of no address
_ADD_USERS = """
INSERT INTO users (id, email, email_canonical, username, username_canonical, display_name, display_name_canonical,
    password_hash, version, created_at, email_digest, email_digest_key_id)
SELECT concat(milliseconds, '7', left(random, 3), '8', right(random, 15))::uuid, name || '@example.com',
    name || '@example.com', name, name, name, name, repeat('x', 97), 1, at, sha256(number::text::bytea), $2
FROM generate_series(1, $1::bigint) AS number,
    LATERAL (SELECT date_trunc('milliseconds', now()) - ($1 - number) * interval '1 ms', md5(number::text),
        concat('made', lpad(number::text, 10, '0'))
    ) AS made (at, random, name),
    LATERAL (SELECT lpad(to_hex((1000 * extract(epoch FROM at))::bigint), 12, '0')) AS since (milliseconds)
"""

# to make them anew afterwards takes less time than to keep them up
_DROP_INDEXES = """
ALTER TABLE users DROP CONSTRAINT uq_users_email_canonical, DROP CONSTRAINT uq_users_username_canonical;
DROP INDEX ix_users_display_name_canonical;
"""
_MAKE_INDEXES = """
SET LOCAL maintenance_work_mem = '512MB';
ALTER TABLE users ADD CONSTRAINT uq_users_email_canonical UNIQUE (email_canonical),
    ADD CONSTRAINT uq_users_username_canonical UNIQUE (username_canonical);
CREATE INDEX ix_users_display_name_canonical ON users (display_name_canonical);
"""


async def add_users(connection: Connection, number: int, key_id: str) -> None:
    """With a digest stored under the key of that id. To be done once."""
    async with connection.transaction():
        await connection.execute(_DROP_INDEXES)
        await connection.execute(_ADD_USERS, number, key_id)
        await connection.execute(_MAKE_INDEXES)
    # leave nothing to be done that the server would do by and by
    await connection.execute("VACUUM ANALYZE users")
    await connection.execute("CHECKPOINT")


def digest_of(number: int) -> str:
    """That of the user of a number, from 1 on."""
    return sha256(str(number).encode()).hexdigest()
