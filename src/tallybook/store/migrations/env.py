"""Alembic's entry: migrates over the connection it is given, which holds the lock that keeps others out."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table=context.config.attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
