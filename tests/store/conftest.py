"""Each test of the store runs on SQLite and on PostgreSQL: the same calls, the same answers."""

from __future__ import annotations

import psycopg
import pytest

from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from omc_agent.store.tables import Base


@pytest.fixture(scope="session")
def shared_store(postgres):
    """A database of PostgreSQL that is at head: emptied for each test, as that is quicker than making one."""
    url = postgres.new_database()
    open_database(url).dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a store of its own, at head."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    shared = request.getfixturevalue("shared_store")
    with psycopg.connect(shared.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY")
    return shared


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """The URL of a database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(url):
    """The store at `url`."""
    made = SessionManager(open_database(url))
    yield made
    made.engine.dispose()


@pytest.fixture
def new(store, tmp_path):
    """Makes a run: ``new(goal, session_id=...)`` gives its row."""

    def make(goal="Predict BTC", **more):
        return store.create(goal, workspaces=tmp_path / "runs", model="offline", settings={}, **more)

    return make
