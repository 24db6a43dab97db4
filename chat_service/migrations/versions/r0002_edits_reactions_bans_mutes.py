"""Edits, reactions, bans and mutes."""

import sqlalchemy as sa
from alembic import op

from common.database import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "bans",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("banned_by", sa.Uuid(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name="pk_bans"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_bans_room_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_bans_user_id"),
    )
    op.create_table(
        "mutes",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("muted_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name="pk_mutes"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_mutes_room_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_mutes_user_id"),
    )
    op.create_table(
        "edits",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "seq", name="pk_edits"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_edits_message_id", ondelete="CASCADE"),
    )
    op.create_table(
        "reactions",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("emoji", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "emoji", "user_id", name="pk_reactions"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_reactions_message_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("reactions", "edits", "mutes", "bans"):
        op.drop_table(table)
