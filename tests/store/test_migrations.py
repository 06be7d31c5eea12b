"""An empty database that was upgraded holds exactly what `tables.py` says, and a difference would be seen."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, inspect

from omc_agent.store.database import open_database
from omc_agent.store.tables import Base

# What later rooms need is there from the first migration.
LATER = {
    "agent_sessions": {"owner", "lease_until", "branch"},
    "agent_session_messages": {"branch", "seq", "key"},
    "agent_cells": {"branch", "key"},
    "agent_requests": {"branch", "sha256", "decision", "decided_by", "decided_at"},
    "agent_inbox": {"session_id", "kind"},
    "agent_openings": {"branch", "frozen"},
}


@pytest.fixture
def connection(empty_url):
    engine = open_database(empty_url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def differences(connection, metadata):
    """What autogenerate would write to get from the database to `metadata`."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return compare_metadata(context, metadata)


def test_an_upgraded_empty_database_is_what_the_tables_say(connection):
    assert differences(connection, Base.metadata) == []


def test_primary_keys_are_what_the_tables_say(connection):
    """Autogenerate does not look at them."""
    seen = inspect(connection)
    for name, table in Base.metadata.tables.items():
        assert seen.get_pk_constraint(name)["constrained_columns"] == [c.name for c in table.primary_key], name


def test_a_column_that_no_migration_makes_is_a_difference(connection):
    changed = MetaData()
    for table in Base.metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["agent_cells"].append_column(Column("forgotten", Integer))
    assert [found[0] for found in differences(connection, changed)] == ["add_column"]


@pytest.mark.parametrize("table", LATER)
def test_what_later_rooms_need_is_there_from_the_first_migration(connection, table):
    assert LATER[table] <= {column["name"] for column in inspect(connection).get_columns(table)}
