"""Stored digests of the addresses. Who registers in the older version has none, until this version sees to it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("users", sa.Column("email_digest", sa.LargeBinary(32), nullable=True))
    op.add_column("users", sa.Column("email_digest_key_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "email_digest_key_id")
    op.drop_column("users", "email_digest")
