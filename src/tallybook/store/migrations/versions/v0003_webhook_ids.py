"""The ids of webhook notifications, so that workers share what each has taken."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "webhook_id",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Index("webhook_id_taken_at", "taken_at"),
    )
