"""What the console keeps: companies that are paused, what was done by whom, sessions, and tried passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "company_pause",
        sa.Column("company_id", sa.Text, primary_key=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.Text, nullable=False),
    )
    op.create_table(
        "console_audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("company_id", sa.Text),
        sa.Column("job_id", sa.Text),
        sa.Column("entry_id", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("result", sa.Text),
    )
    op.create_table(
        "console_session",
        sa.Column("kept_as", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Index("console_session_expires_at", "expires_at"),
    )
    op.create_table(
        "console_password_try",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Index("console_password_try_address", "address", "at"),
    )
