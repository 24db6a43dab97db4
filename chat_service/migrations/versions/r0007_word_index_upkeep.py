"""The index of words is kept up a little at a time.

Words wait in a list until it is full, and whoever fills it puts them all in their places (PostgreSQL's manual, GIN Fast
Update Technique): of 4 MB, the default, a batch of commands stood still for a tenth of a second.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_INDEX = "ix_message_words_words"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {_INDEX} SET (gin_pending_list_limit = 256)")  # kB


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {_INDEX} RESET (gin_pending_list_limit)")
