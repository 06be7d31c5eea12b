"""Alembic's entry: the connection is handed in by `database.migrate`."""

from alembic import context

from omc_agent.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
