"""The words of messages, to be found by."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from chat_service.words import words

revision = "0003"
down_revision = "0002"

_CHUNK = 1_000


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # the ASCII tokenizer parts words at spaces, and takes all other scripts' letters as they are; the order of
        # words is read from the column, so that the index needs neither positions nor lengths
        op.execute(
            "CREATE VIRTUAL TABLE message_words USING fts5("
            "message_id, room_id, words, tokenize = 'ascii', detail = 'column', columnsize = 0)"
        )
        _fill()
        return
    op.create_table(
        "message_words",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_message_words"),
    )
    _fill()
    # an index over both, so that of a word that all use only what one's own rooms have is read from the table, and in
    # the index much of what others have is skipped. Of a beginning the index is read for every word that begins so,
    # in all rooms, before it is compared with the rooms
    op.execute("CREATE INDEX ix_message_words_words ON message_words USING gin ((words::tsvector), (ARRAY[room_id]))")


def downgrade() -> None:
    op.drop_table("message_words")


def _fill() -> None:
    connection = op.get_bind()
    message_words = sa.table(
        "message_words", sa.column("message_id", sa.Uuid()), sa.column("room_id", sa.Uuid()), sa.column("words")
    )
    for chunk in _messages(connection):
        rows = [
            {"message_id": message.id, "room_id": message.room_id, "words": " ".join(words(message.text))}
            for message in chunk
        ]
        connection.execute(sa.insert(message_words), rows)


def _messages(connection: sa.Connection) -> Iterator[Any]:
    """All that have a text, some at a time."""
    messages = sa.table(
        "messages",
        sa.column("id", sa.Uuid()),
        sa.column("room_id", sa.Uuid()),
        sa.column("text", sa.String()),
        sa.column("deleted", sa.Boolean()),
    )
    query = sa.select(messages).where(sa.not_(messages.c.deleted)).order_by(messages.c.id).limit(_CHUNK)
    chunk = connection.execute(query).all()
    while chunk:
        yield chunk
        chunk = connection.execute(query.where(messages.c.id > chunk[-1].id)).all()
