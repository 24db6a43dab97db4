"""What was refused stays refused when the bus brings it again."""

import sqlalchemy as sa
from alembic import op

from common.database import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "refused_commands",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("retry_after", sa.Double(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_refused_commands"),
    )
    op.create_index("ix_refused_commands_at", "refused_commands", ["at"])


def downgrade() -> None:
    op.drop_table("refused_commands")
