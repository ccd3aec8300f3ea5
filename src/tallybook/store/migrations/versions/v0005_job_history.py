"""What the console shows of jobs: each job, its steps, calls and items."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "job_history",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("run_at", sa.DateTime(timezone=True)),
        sa.Column("done_before", sa.Integer),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("page", sa.Integer),
        sa.Column("items", sa.Integer),
        sa.Column("successful", sa.Integer),
        sa.Column("failed", sa.Integer),
        sa.Column("event", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("lost", sa.Integer, nullable=False),
        sa.Index("job_history_seen", "first_seen_at", "job_id"),
        sa.Index("job_history_told", "told_at"),
    )
    op.create_table(
        "job_history_step",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("failed_calls", sa.Integer, nullable=False),
        sa.Column("calls_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "job_history_call",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("run_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "job_history_item",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("entry_id", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("external_id", sa.Text),
        sa.Column("external_url", sa.Text),
        sa.Column("pleo_url", sa.Text),
        sa.Column("planned", sa.Text),
    )
