"""Which gateway brought the command that made an entry."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("entries", sa.Column("origin", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("entries", "origin")
