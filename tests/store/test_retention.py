"""What is removed when it is old, and what never is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import fsspec
import pytest
from sqlalchemy import select, update

from omc_agent.errors import RunError, StoreError
from omc_agent.events import Reason
from omc_agent.store.checkpoints import open_checkpoints
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.retention import remains, sweep
from omc_agent.store.tables import AgentOpening, AgentSession

DAYS_90 = timedelta(days=90)


@pytest.fixture
def old(store, new, tmp_path):
    """Makes a run in which nothing happened for that many days."""

    def make(name, status="finished", days=100.0):
        row = new(f"Goal of {name}", session_id=name)
        (tmp_path / "runs" / name / "frames" / "x.arrow").write_bytes(b"x" * 1000)
        store.append(name, name, [("k", Reason(text="one"))])
        store.send(name, "say", {"text": "hello"})
        store.begin_call(name, name, key=f"call-{name}", model="openai:x", usd=1.5, day="2026-01-01")
        rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": name, "end": name, "frozen": {}}
        store.open_sealed(name, name, **rows)
        age(store, name, days, status)
        return row

    return make


def age(store, name, days, status="finished"):
    at = datetime.now(UTC) - timedelta(days=days)
    with store.engine.begin() as db:
        values = {"created_at": at, "updated_at": at, "status": status}
        db.execute(update(AgentSession).where(AgentSession.id == name).values(**values))


def left(store):
    return sorted(row["id"] for row in store.list())


def test_what_ended_long_ago_is_removed_with_its_files(store, old, tmp_path):
    for status in ("finished", "failed", "stopped"):
        old(status, status)
    old("young", days=89)
    would = store.prune(DAYS_90, dry_run=True)
    assert left(store) == ["failed", "finished", "stopped", "young"], "nothing goes in a dry run"
    done = store.prune(DAYS_90)
    assert [run.id for run in done.removed] == [run.id for run in would.removed]
    assert sorted(run.id for run in done.removed) == ["failed", "finished", "stopped"]
    assert left(store) == ["young"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["young"]
    assert (done.bytes, {run.files for run in done.removed}, {run.rows for run in done.removed}) == (3000, {1}, {3})
    assert done.kept == []


def test_openings_and_costs_stay(store, old):
    old("a")
    store.prune(DAYS_90)
    with store.engine.connect() as db:
        assert list(db.scalars(select(AgentOpening.session_id))) == ["a"]
    assert store.costs(())[0]["usd"] == 1.5
    assert store.spent_on("2026-01-01") == 1.5
    rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": "a", "end": "a", "frozen": {}}
    assert store.open_sealed("next", "next", **rows) == 2


@pytest.mark.parametrize(
    ("status", "flags", "goes"),
    [
        ("running", {}, False),
        ("running", {"parked": True}, False),
        ("running", {"abandoned": True}, True),
        ("awaiting_user", {}, False),
        ("awaiting_user", {"abandoned": True}, True),
        ("parked", {}, False),
        ("parked", {"parked": True}, True),
        ("failed", {"keep_status": ["failed"]}, False),
        ("finished", {"keep_status": ["failed"]}, True),
    ],
)
def test_what_goes_is_asked_for(store, old, status, flags, goes):
    old("r", status)
    store.prune(DAYS_90, **flags)
    assert left(store) == ([] if goes else ["r"])


@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_run_that_somebody_drives_stays_whatever_is_asked(store, old, status):
    old("r", status)
    assert Leases(store.engine).take("r", new_owner())
    age(store, "r", 100, status)
    done = store.prune(DAYS_90, abandoned=True, parked=True)
    assert [(run.id, run.why) for run in done.kept] == [("r", "a process drives it")]
    with pytest.raises(RunError) as refused:
        store.delete("r")
    assert refused.value.code == "run.held"
    assert all((refused.value.given, refused.value.have, refused.value.try_))
    assert left(store) == ["r"]
    assert len(store.events("r")) == 1


def test_a_run_from_the_future_is_not_old(store, old):
    old("future", days=-30)
    assert store.prune(timedelta(0)).removed == []
    old("past", days=1)
    assert [run.id for run in store.prune(timedelta(0)).removed] == ["past"]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # a file has no clock but this machine's
def test_a_clock_that_runs_ahead_removes_nothing_that_the_database_calls_young(store, old, monkeypatch):
    old("young", days=1)
    monkeypatch.setattr("omc_agent.store.retention.datetime", clock_ahead(timedelta(days=365)))
    assert store.prune(DAYS_90).removed == []


def clock_ahead(by):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + by

    return Ahead


def test_a_run_whose_folder_is_elsewhere_stays_until_it_is_said(store, old, tmp_path):
    old("r")
    store.update("r", workspace=str(tmp_path / "other machine" / "r"))
    age(store, "r", 100)
    done = store.prune(DAYS_90)
    assert "is not on this machine" in done.kept[0].why
    assert [run.id for run in store.prune(DAYS_90, missing=True).removed] == ["r"]


def test_nothing_but_a_workspace_is_ever_removed(store, old, tmp_path):
    """The path stands in a database that others may write to."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years")
    named = tmp_path / "r"
    named.mkdir()
    (named / "thesis.tex").write_text("years")
    link = tmp_path / "links" / "r"
    link.parent.mkdir()
    link.symlink_to(precious)
    old("r")
    for place in (precious, named, link):
        store.update("r", workspace=str(place))
        age(store, "r", 100)
        with pytest.raises(StoreError) as refused:
            store.delete("r")
        assert refused.value.code == "store.files"
        assert "no workspace" in store.prune(DAYS_90).kept[0].why or store.prune(DAYS_90).kept
    assert (precious / "thesis.tex").read_text() == (named / "thesis.tex").read_text() == "years"
    assert left(store) == ["r"]
    assert Leases(store.engine).holder("r") is None, "it is free again"


def test_what_cannot_be_removed_leaves_the_run_as_it_was(store, old, tmp_path, monkeypatch):
    old("r")

    def refuse(*_):
        raise RuntimeError("rows cannot go")

    monkeypatch.setattr(store, "_delete_rows", refuse)
    before = store.read("r")
    with pytest.raises(RuntimeError):
        store.delete("r")
    assert store.read("r") == before
    assert (tmp_path / "runs" / "r" / "frames" / "x.arrow").read_bytes() == b"x" * 1000
    monkeypatch.undo()
    store.delete("r")
    assert left(store) == []


def test_files_at_a_url_go_too_but_not_those_of_another_run(store, old):
    files = fsspec.filesystem("memory")
    for run in ("a", "b"):
        old(run)
        for branch in (run, f"{run}.2"):
            files.pipe(f"/bucket/{run}/{branch}/report", b"x")
            path = f"memory://bucket/{run}/{branch}/report"
            store.record_artifact(run, branch, name="report", path=path, sha256="0", size=1)
    store.delete("a")
    assert files.find("/bucket") == ["/bucket/b/b.2/report", "/bucket/b/b/report"]
    store.delete("b")
    assert files.find("/bucket") == []


def test_a_bucket_that_cannot_be_reached_keeps_the_run(store, old):
    old("r")
    store.record_artifact("r", "r", name="x", path="nosuchprotocol://bucket/r/r/x", sha256="0", size=1)
    age(store, "r", 100)
    with pytest.raises(StoreError) as refused:
        store.delete("r")
    assert refused.value.code == "store.files"
    assert left(store) == ["r"]


def test_what_a_broken_removal_left_is_swept(tmp_path):
    runs = tmp_path / "runs"
    for name in ("r1", "stray", ".removed-r2-abcd"):
        (runs / name / "frames").mkdir(parents=True)
    assert remains(runs, ["r1"]) == (["stray"], 1)
    assert sweep(runs) == 1
    assert remains(runs, ["r1"]) == (["stray"], 0)
    assert remains(tmp_path / "nowhere", []) == ([], 0)


def test_checkpoints_of_all_branches_go_with_the_run(tmp_path):
    from omc_agent.config import settings_with
    from omc_agent.events import Branched
    from omc_agent.orchestrator import AgentOrchestrator

    shared = AgentOrchestrator(settings_with(None, home=str(tmp_path), warm_spare=False))
    path = tmp_path / "checkpoints.db"

    async def put(*threads):
        async with open_checkpoints(path) as saver:
            for thread in threads:
                for table in ("checkpoints", "writes"):
                    more = ", task_id, idx, channel" if table == "writes" else ""
                    marks = ", 't', 0, 'c'" if table == "writes" else ""
                    into = f"INSERT INTO {table} (thread_id, checkpoint_ns, checkpoint_id{more})"
                    await saver.conn.execute(f"{into} VALUES (?, '', 'c'{marks})", (thread,))
            await saver.conn.commit()

    async def threads():
        async with open_checkpoints(path) as saver:
            found = [row async for row in await saver.conn.execute(
                "SELECT thread_id FROM checkpoints UNION ALL SELECT thread_id FROM writes")]  # fmt: skip
            return sorted({row[0] for row in found})

    store = shared.store
    for name in ("a", "ab"):
        store.create("g", workspaces=tmp_path / "runs", model="offline", settings={}, session_id=name)
    store.append("a", "a.2", [("b", Branched(new_branch="a.2", parent="a"))])
    asyncio.run(put("a", "a.2", "ab"))
    store.delete("a")
    assert asyncio.run(threads()) == ["ab"]
    store.engine.dispose()
