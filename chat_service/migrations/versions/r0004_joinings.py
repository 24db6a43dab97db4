"""Where logs tell the names of users; those of accounts that were deleted before are erased."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_USER_ID = {
    "postgresql": "(data ->> 'user_id')::uuid",
    "sqlite": "replace(json_extract(data, '$.user_id'), '-', '')",  # the form in which SQLite stores a UUID
}
_WITHOUT_NAMES = {
    "postgresql": """(data::jsonb || '{"username": "deleted", "display_name": "Deleted user"}')::json""",
    "sqlite": "json_set(data, '$.username', 'deleted', '$.display_name', 'Deleted user')",
}


def upgrade() -> None:
    op.create_table(
        "joinings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room_id", "seq", name="pk_joinings"),
    )
    dialect = op.get_bind().dialect.name
    op.execute(
        "INSERT INTO joinings (user_id, room_id, seq)"  # noqa: S608 - from what stands above alone
        f" SELECT {_USER_ID[dialect]}, room_id, seq FROM entries WHERE kind = 'member.joined'"
    )
    op.execute(
        f"UPDATE entries SET data = {_WITHOUT_NAMES[dialect]} WHERE kind = 'member.joined'"  # noqa: S608
        f" AND {_USER_ID[dialect]} IN (SELECT id FROM users WHERE deleted)"
    )
    op.execute("DELETE FROM joinings WHERE user_id IN (SELECT id FROM users WHERE deleted)")
    op.execute("UPDATE users SET username = 'deleted', display_name = 'Deleted user' WHERE deleted")


def downgrade() -> None:
    op.drop_table("joinings")
