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

# What the console shows of jobs. Ids, codes, counts and classes: no text of an item, and nobody's name.
job_history = sa.Table(
    "job_history",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("company_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),  # when something was last heard of it
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("run_at", sa.DateTime(timezone=True)),  # when its last run began
    sa.Column("done_before", sa.Integer),  # items that had a result by then
    sa.Column("step", sa.Integer, nullable=False),  # 1 to 7; 0 before
    sa.Column("page", sa.Integer),
    sa.Column("items", sa.Integer),
    sa.Column("successful", sa.Integer),
    sa.Column("failed", sa.Integer),
    sa.Column("event", sa.Text),  # the final event as it was sent, and its reason's type
    sa.Column("reason", sa.Text),
    sa.Column("note", sa.Text),  # why the last run ended before the job did
    sa.Column("lost", sa.Integer, nullable=False),  # calls and items that could not be written down
    sa.Index("job_history_seen", "first_seen_at", "job_id"),
    sa.Index("job_history_told", "told_at"),
)

job_history_step = sa.Table(
    "job_history_step",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),  # all of them, also those that are not listed one by one
    sa.Column("failed_calls", sa.Integer, nullable=False),
    sa.Column("calls_ms", sa.BigInteger, nullable=False),
)

job_history_call = sa.Table(
    "job_history_call",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("run_at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # within the run
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("system", sa.Text, nullable=False),  # pleo, receipts or books
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),  # class
)

job_history_item = sa.Table(
    "job_history_item",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("entry_id", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("reason", sa.Text),  # type; none: successful
    sa.Column("external_id", sa.Text),
    sa.Column("external_url", sa.Text),
    sa.Column("pleo_url", sa.Text),  # of the export item in Pleo's web app
    sa.Column("planned", sa.Text),  # the documents that were to be recorded, as JSON of codes and amounts
    sa.Column("receipts", sa.Integer),  # that were in the books with them
)

company_pause = sa.Table(
    "company_pause",
    metadata,
    sa.Column("company_id", sa.Text, primary_key=True),
    sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("paused_by", sa.Text, nullable=False),
)

# What people did in the console, and who they said they are.
audit = sa.Table(
    "console_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # in the order in which things were begun
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("company_id", sa.Text),
    sa.Column("job_id", sa.Text),
    sa.Column("entry_id", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("result", sa.Text),  # none: the server ended before it was known
)

console_session = sa.Table(
    "console_session",
    metadata,
    sa.Column("kept_as", sa.Text, primary_key=True),  # hash of the cookie's token
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),  # which password it was: a new one ends all sessions
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("console_session_expires_at", "expires_at"),
)

console_password_try = sa.Table(
    "console_password_try",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),  # of whoever tried it, an IPv6 network as a whole
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("console_password_try_address", "address", "at"),
)
