"""How many receipts were in the books with each item, so that a tie-out sees when one is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; of items that are there it is not known."""
    op.add_column("job_history_item", sa.Column("receipts", sa.Integer))
