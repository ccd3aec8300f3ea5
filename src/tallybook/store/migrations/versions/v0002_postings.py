"""The posting journal."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OPEN = "state IN ('intent', 'uncertain')"


def upgrade() -> None:
    """Make the table, and the index by which the few open postings are found among all."""
    op.create_table(
        "posting",
        sa.Column("company_id", sa.Text, primary_key=True),
        sa.Column("entry_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("books", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True)),
        sa.Column("external_id", sa.Text),
        sa.Column("external_url", sa.Text),
        sa.Column("replaces", sa.Text),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index(
        "posting_open",
        "posting",
        ["company_id", "attempted_at"],
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
