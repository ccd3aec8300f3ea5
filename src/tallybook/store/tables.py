"""Our tables, as SQLAlchemy Core sees them; the migrations make them, and a test holds the two together."""

import sqlalchemy as sa

metadata = sa.MetaData()

company_lock = sa.Table(
    "company_lock",
    metadata,
    sa.Column("company_id", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),  # name of the run that has the company's lane
)

worker_lease = sa.Table(
    "worker_lease",
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),  # by the database's clock
)
