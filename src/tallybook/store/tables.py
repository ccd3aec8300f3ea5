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

posting = sa.Table(
    "posting",
    metadata,
    sa.Column("company_id", sa.Text, primary_key=True),
    sa.Column("entry_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # intent, recorded, failed, uncertain
    sa.Column("version", sa.Integer, nullable=False),  # one more at every change: who read an older one changes nothing
    sa.Column("run", sa.Text, nullable=False),  # who wrote the row
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("books", sa.Text, nullable=False),  # adapter, and which books those are
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True)),
    sa.Column("external_id", sa.Text),
    sa.Column("external_url", sa.Text),
    sa.Column("replaces", sa.Text),  # number of the entry this one corrects
    sa.Column("settled", sa.Boolean, nullable=False),  # a person said so
    sa.Column("error", sa.Text),  # class of the error that came last, never its text
    sa.Index(
        "posting_open",
        "company_id",
        "attempted_at",
        sqlite_where=sa.text("state IN ('intent', 'uncertain')"),
        postgresql_where=sa.text("state IN ('intent', 'uncertain')"),
    ),
)

oauth_login = sa.Table(
    "oauth_login",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),  # one more at every renewal: a late answer changes nothing
    sa.Column("sealed", sa.Text, nullable=False),  # both tokens and their times, encrypted as one
    sa.Column("ended", sa.Text),  # why Pleo ended it; then only a new login helps
)

webhook_id = sa.Table(
    "webhook_id",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("webhook_id_taken_at", "taken_at"),
)
