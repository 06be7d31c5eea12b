"""From every earlier revision, with rows in it: each step keeps them; from a newer one a sentence."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, MetaData, create_engine, insert, text

from omc_agent.errors import StoreError
from omc_agent.store.database import head_revision, migrate, open_database, revision_of, revisions
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.records import SessionManager

AT = datetime(2025, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
TEXTS = {"id": "r", "session_id": "r", "branch": "r", "status": "open", "kind": "reason", "day": "2025-03-04",
         "owner": "another-host|another-boot|1|1|x"}  # fmt: skip
FIELDS = {"metadata": {"text": "größer", "stage": "planning", "at": AT.timestamp()}, "coins": ["BTC"]}


def fill(engine: Engine) -> dict[str, int]:
    """A row in each table that the database has at its revision; the count of them by table."""
    tables = MetaData()
    tables.reflect(engine)
    made = {}
    with engine.begin() as db:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            numbered = {column.name for column in table.primary_key if str(column.type) == "INTEGER"}
            row = {column.name: value_of(column) for column in table.columns if column.name not in numbered}
            db.execute(insert(table).values(**row))
            made[table.name] = 1
    return made


def value_of(column):
    kind = str(column.type).split("(")[0]
    if column.name in FIELDS:
        return FIELDS[column.name] if kind == "JSON" else json.dumps(FIELDS[column.name])
    if kind == "JSON":
        return {"kept": 1}
    if kind in ("INTEGER", "BIGINT"):
        return 7
    if kind in ("FLOAT", "DOUBLE PRECISION", "DOUBLE_PRECISION"):
        return 1.5
    if kind in ("DATETIME", "TIMESTAMP"):
        return AT
    return TEXTS.get(column.name, f"some {column.name}"[:16])


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_rows_of_an_earlier_revision_are_all_there_after_it(empty_url, revision):
    engine = create_engine(empty_url)
    migrate(engine, revision)
    made = fill(engine)
    assert revision_of(engine) == revision
    engine.dispose()
    engine = open_database(empty_url)
    assert revision_of(engine) == head_revision()
    with engine.connect() as db:
        for name in made:
            assert db.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 1, name
    store = SessionManager(engine)
    run = store.read("r")
    assert (run["created_at"], run["goal"], run["settings"]) == (AT, "some goal", {"kept": 1})
    assert store.told("r")[0]["fields"]["text"] == "größer"
    assert store.history("r")[0]["content"] == "größer"
    assert store.artifacts("r")[0]["size"] == 7
    assert store.requests("r")[0]["payload"] == {"kept": 1}
    # And it can be gone on with.
    assert Leases(engine).take("r", new_owner())
    store.record_artifact("r", "r", name="large", path="p", sha256="0", size=2**40)
    assert store.artifacts("r")[-1]["size"] == 2**40
    engine.dispose()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(empty_url):
    engine = open_database(empty_url)
    with engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError) as refused:
        open_database(empty_url)
    assert refused.value.code == "store.newer"
    assert "9999" in refused.value.have
    assert head_revision() in refused.value.have
    engine = create_engine(empty_url)
    assert revision_of(engine) == "9999"
    engine.dispose()


def test_a_store_can_be_looked_at_without_bringing_it_up(empty_url):
    engine = create_engine(empty_url)
    migrate(engine, "0001")
    engine.dispose()
    engine = open_database(empty_url, upgrade=False)
    assert revision_of(engine) == "0001"
    engine.dispose()
