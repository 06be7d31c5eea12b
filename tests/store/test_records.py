"""What is remembered of runs."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from omc_agent.errors import RunError
from omc_agent.events import Reason, RunFinished
from omc_agent.store.artifacts import save_artifact
from omc_agent.store.database import migrate
from omc_agent.store.tables import Base


def test_migrations_give_exactly_the_tables(empty_url):
    engine = create_engine(empty_url)
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    columns = {column["name"] for column in inspect(engine).get_columns("agent_sessions")}
    assert {"owner", "lease_until", "branch", "status", "user_id"} <= columns
    assert "key" in {column["name"] for column in inspect(engine).get_columns("agent_cells")}
    engine.dispose()


def test_create_read_list_update_delete(store, new, tmp_path):
    first = new("Predict BTC")
    second = new("Explore 100% of DOGE", session_id="mine")
    assert store.read("mine")["goal"] == "Explore 100% of DOGE"
    assert (tmp_path / "runs" / "mine" / "sealed").is_dir()
    assert [row["id"] for row in store.list()] == ["mine", first["id"]]
    assert [row["id"] for row in store.list(goal="100%")] == ["mine"]
    assert [row["id"] for row in store.list(limit=1, offset=1)] == [first["id"]]
    store.update("mine", status="finished")
    assert [row["id"] for row in store.list(status="finished")] == [second["id"]]
    store.delete("mine")
    assert not (tmp_path / "runs" / "mine").exists()
    with pytest.raises(RunError, match=first["id"]):
        store.read("mine")


def test_one_id_names_one_run(store, new, tmp_path):
    new(session_id="mine")
    with pytest.raises(RunError, match="already"):
        new(session_id="mine")


def test_the_ledger_keeps_order_and_ignores_a_key_twice(store, new, tmp_path):
    run = new()["id"]
    said = [("a", Reason(stage="planning", text="one")), ("b", Reason(stage="planning", text="two"))]
    assert store.append(run, run, said) == 2
    assert store.append(run, run, [("b", Reason(text="again")), ("c", RunFinished(status="finished"))]) == 1
    events = store.events(run)
    assert [event.kind for event in events] == ["reason", "reason", "run_finished"]
    assert events[1] == said[1][1]
    assert [event.kind for event in store.events(run, after_seq=2)] == ["run_finished"]


def test_a_cell_is_recorded_once(store, new, tmp_path):
    run = new()["id"]
    cell = {"key": "k", "n": 1, "stage": "planning", "where": "host", "kind": "look", "code": "1", "status": "ok"}
    assert store.record_cell(run, run, **cell)
    assert not store.record_cell(run, run, **{**cell, "code": "2"})
    assert store.cell(run, "k")["code"] == "1"
    assert store.cell(run, "other") is None


def test_the_first_decision_wins(store, new, tmp_path):
    run = new()["id"]
    store.open_request(run, run, "q1", gate="code", stage="data_analysis", payload={})
    assert store.find_request(run)["id"] == "q1"
    assert store.decide("q1", {"type": "approve"}, "me")
    assert not store.decide("q1", {"type": "reject"}, "you")
    assert store.requests(run, status="decided")[0]["decision"] == {"type": "approve"}
    with pytest.raises(RunError) as caught:
        store.find_request(run)
    assert caught.value.code == "run.no_request"


def test_the_inbox_is_taken_once(store, new, tmp_path):
    run = new()["id"]
    store.send(run, "say", {"text": "only momentum"})
    store.send(run, "stop", {})
    assert [row["kind"] for row in store.take_inbox(run, kind="stop")] == ["stop"]
    assert [row["payload"] for row in store.take_inbox(run)] == [{"text": "only momentum"}]
    assert store.take_inbox(run) == []


def test_openings_are_counted_by_rows_over_all_runs_and_outlive_them(store, new, tmp_path):
    def opening(run, **change):
        rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": "2024-08-14", "end": "2024-08-31"}
        return store.open_sealed(run, run, **{**rows, **change}, frozen={})

    first, second = new()["id"], new()["id"]
    assert opening(first) == 1
    assert opening(first) == 1
    assert opening(second, start="2024-08-20") == 2
    store.delete(second)
    assert opening("third", coins=["BTC", "ETH"]) == 3
    assert opening("fourth", coins=["ETH"], start="2024-09-01", end="2024-09-05") == 1
    assert opening("fifth", family="volatility") == 1
    assert opening("sixth", source="other") == 1


def test_replays_of_a_run_are_the_opening_of_that_run(store, new, tmp_path):
    rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": "2024-08-14", "end": "2024-08-31"}
    first, replay, second = (new()["id"] for _ in range(3))
    assert store.open_sealed(first, first, **rows, frozen={}) == 1
    for _ in range(2):
        assert store.open_sealed(replay, replay, again=(first, first), **rows, frozen={}) == 1
    assert store.open_sealed(replay, replay, again=("another store's", "b"), **rows, frozen={}) == 2
    assert store.open_sealed(second, second, **rows, frozen={}) == 3


def test_artifacts_are_whole_or_not_there(store, new, tmp_path):
    run = new()["id"]
    saved = save_artifact(tmp_path, "report.md", b"text")
    store.record_artifact(run, run, name="report.md", path=saved.path, sha256=saved.sha256, size=saved.size)
    store.record_artifact(run, run, name="report.md", path=saved.path, sha256=saved.sha256, size=9)
    assert [row["size"] for row in store.artifacts(run)] == [9]
    with pytest.raises(ValueError, match="plain file name"):
        save_artifact(tmp_path, "../out.md", b"")
