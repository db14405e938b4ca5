"""Run by Alembic: migrate the database that `State` hands over."""

from alembic import context

from bluelamp.state._tables import metadata

connection = context.config.attributes["connection"]
# SQLite can't alter a table in place; Alembic then makes it anew and copies.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
