"""The store as its keeper sees it: `db`, `list` with its filters, `doctor`, and errors without a traceback."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from omc_agent import cli, face
from omc_agent.ages import age_of, moment_of
from omc_agent.config import AgentSettings
from omc_agent.errors import UsageError
from omc_agent.events import Reason
from omc_agent.store.database import head_revision
from omc_agent.store.tables import AgentSession


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, monkeypatch, own_home):
    """The store of this test's home, with runs that ended 0, 40, 80, ... days ago."""
    if request.param == "postgresql":
        monkeypatch.setenv("OMC_AGENT_DATABASE_URL", request.getfixturevalue("postgres").new_database())
    made = face.orchestrator_for(AgentSettings()).store
    for n in range(5):
        made.create(
            f"Predict coin {n}", workspaces=own_home / "runs", model="offline", settings={}, session_id=f"r{n}"
        )
        (own_home / "runs" / f"r{n}" / "frames" / "x").write_bytes(b"x" * 500_000)
        made.append(f"r{n}", f"r{n}", [("k", Reason(text="x"))])
        at = datetime.now(UTC) - timedelta(days=40 * n)
        with made.engine.begin() as db:
            values = {"created_at": at, "updated_at": at, "status": "parked" if n == 4 else "finished"}
            db.execute(update(AgentSession).where(AgentSession.id == f"r{n}").values(**values))
    yield made
    made.engine.dispose()


def told(capsys, *words, code=0):
    assert cli.main(list(words)) == code
    return capsys.readouterr().out


def test_prune_says_what_it_freed_and_dry_run_only_what_it_would(store, capsys):
    would = told(capsys, "db", "prune", "--older-than", "90d", "--dry-run")
    assert "1 runs would be removed: 2 rows, 1 files, 0.5 MB." in would
    assert store.count() == 5
    done = json.loads(told(capsys, "db", "prune", "--older-than", "90d", "--parked", "--json"))
    assert [run["id"] for run in done["removed"]] == ["r4", "r3"]
    assert done["bytes"] == 1_000_000
    assert [row["id"] for row in store.list()] == ["r0", "r1", "r2"]
    assert "0 runs removed" in told(capsys, "db", "prune", "--older-than", "1d", "--keep-status", "finished,failed")
    assert "2 runs removed" in told(capsys, "db", "prune", "--older-than", "1d")


def test_check_finds_a_whole_store_whole(store, capsys, own_home):
    (own_home / "runs" / "stray").mkdir()
    out = told(capsys, "db", "check")
    assert "It is whole." in out
    assert "1 folders in runs/ are of no run of this store: stray." in out
    assert "pg-secret" not in out
    found = json.loads(told(capsys, "db", "check", "--json"))
    assert (found["whole"], found["revision"], found["runs"]) == (True, head_revision(), {"finished": 4, "parked": 1})
    assert found["tables"]["agent_session_messages"] == 5
    assert found["run_bytes"] == 2_500_000


def test_check_finds_a_ledger_with_a_gap_and_a_clock_that_was_wrong(store, capsys):
    with store.engine.begin() as db:
        db.execute(text("UPDATE agent_session_messages SET seq = 7 WHERE session_id = 'r2'"))
        ahead = datetime.now(UTC) + timedelta(days=3)
        db.execute(update(AgentSession).where(AgentSession.id == "r1").values(updated_at=ahead))
    out = told(capsys, "db", "check", code=1)
    assert "PROBLEM      The ledger of run r2 has 1 rows and ends at number 7." in out
    assert "which is yet to come: a clock was wrong" in out


def test_upgrade_and_vacuum_say_what_they_did(store, capsys):
    assert "it was there already" in told(capsys, "db", "upgrade")
    with store.engine.begin() as db:
        db.execute(text("UPDATE agent_session_messages SET content = :words"), {"words": "x" * 2_000_000})
        db.execute(text("UPDATE agent_session_messages SET content = ''"))
    assert told(capsys, "db", "vacuum").startswith("from ")


def test_a_store_of_before_is_found_behind_and_brought_up(capsys, own_home):
    from sqlalchemy import create_engine

    from omc_agent.store.database import migrate

    engine = create_engine(f"sqlite:///{own_home / 'store.db'}")
    migrate(engine, "0001")
    engine.dispose()
    assert "PROBLEM      Its revision is 0001" in told(capsys, "db", "check", code=1)
    assert "revision 0001: omc-agent db upgrade" in told(capsys, "doctor")
    assert told(capsys, "db", "upgrade").strip() == f"from 0001 to {head_revision()}"
    assert "It is whole." in told(capsys, "db", "check")


def test_damaged_checkpoints_are_a_problem(capsys, own_home):
    (own_home / "checkpoints.db").write_bytes(b"no database" * 1000)
    assert "PROBLEM      checkpoints.db: file is not a database." in told(capsys, "db", "check", code=1)


def test_list_by_status_goal_and_time_in_pages(store, capsys):
    first = told(capsys, "list", "--limit", "2")
    assert "r0" in first
    assert "2 of 5 runs; --offset 2 shows the next." in first
    assert "r2" in told(capsys, "list", "--limit", "2", "--offset", "2")
    last = told(capsys, "list", "--limit", "2", "--offset", "4")
    assert "1 of 5 runs." in last
    assert "r4" in told(capsys, "list", "--status", "parked,failed")
    found = json.loads(told(capsys, "list", "--since", "60d", "--goal", "COIN", "--json"))
    assert [run["id"] for run in found["runs"]] == ["r0", "r1"]
    assert found["runs"][0]["started"].endswith("+00:00")
    until = (datetime.now(UTC) - timedelta(days=100)).date().isoformat()
    assert [run["id"] for run in json.loads(told(capsys, "list", "--until", until, "--json"))["runs"]] == ["r3", "r4"]


def test_a_result_has_the_conversation(store):
    from omc_agent.result import RunResult

    (said,) = RunResult(store, "r0", AgentSettings()).history
    assert (said["role"], said["content"], said["kind"], said["seq"]) == ("assistant", "x", "reason", 1)


def test_the_magic_lists_with_the_same_flags(store):
    from omc_agent.verbs import Verbs

    shown = Verbs(AgentSettings(), print).list(["--limit", "1", "--status", "finished"])
    assert "1 of 4 runs; --offset 1 shows the next." in repr(shown)
    assert "1 of 4 runs" in shown._repr_html_()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--status", "done"], "No run has the status 'done'"),
        (["list", "--since", "yesterday"], "'yesterday' is no time"),
        (["list", "--limit", "0"], "holds nothing"),
        (["list", "--offset", "-1"], "holds nothing"),
        (["db", "prune", "--older-than", "soon"], "'soon' is no span"),
        (["db", "prune", "--older-than", "-5d"], ""),
        (["db", "prune", "--older-than", "5000y"], "is no span"),
        (["db", "prune"], "older-than"),
        (["db", "prune", "--older-than", "1d", "--keep-status", "done"], "No run has the status 'done'"),
        (["db"], "required"),
        (["db", "burn"], "invalid choice"),
    ],
)
def test_a_slip_is_one_line(words, said, capsys):
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("usage.")
    assert len(err.splitlines()) == 1


def test_spans_and_times():
    assert age_of("2w") == timedelta(days=14)
    assert age_of("1.5h") == timedelta(minutes=90)
    assert moment_of("2026-01-31T12:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    for text_ in ("", "d", "5", "5 fortnights", "nan d", "1e400d"):
        with pytest.raises(UsageError):
            age_of(text_)


BAD = {
    "refused": ("postgresql://ann:hunter2-Xy9@127.0.0.1:1/runs", "store.unreachable"),
    "unknown driver": ("oracle://ann:hunter2-Xy9@db/runs", "store.url"),
    "malformed": ("postgresql//ann:hunter2-Xy9@db", "store.url"),
    "port": ("postgresql://ann:hunter2-Xy9@db:port/runs", "store.url"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_store_that_cannot_be_reached_is_one_sentence_everywhere(bad, monkeypatch, capsys):
    import omc_agent
    from omc_agent.errors import StoreError
    from omc_agent.verbs import Verbs

    url, code = BAD[bad]
    monkeypatch.setenv("OMC_AGENT_DATABASE_URL", url)
    prune = ["db", "prune", "--older-than", "1d"]
    for words in (["list"], ["run", "Explore BTC"], ["show", "r1"], ["db", "check"], prune):
        assert cli.main(words) == 1, words
        err = capsys.readouterr().err
        assert err.startswith(f"{code}: "), words
        assert len(err.splitlines()) == 1
        assert "hunter2" not in err
    assert json.loads(told(capsys, "run", "Explore BTC", "--json", code=1))["error"]["code"] == code
    for call in (lambda: omc_agent.run("Explore BTC"), lambda: Verbs(AgentSettings(), print).list([])):
        with pytest.raises(StoreError) as refused:
            call()
        assert refused.value.code == code
        assert refused.value._render_traceback_() == [refused.value.line()]
        assert "hunter2" not in refused.value.line()
    said = told(capsys, "doctor")
    assert f"{code}: " in said
    assert "hunter2" not in said


def test_doctor_says_whether_the_store_answers(store, capsys):
    (line,) = [line for line in told(capsys, "doctor").splitlines() if line.startswith("store ")]
    assert line.endswith(", answers")
    assert "pg-secret" not in line


def test_a_full_or_read_only_disk_still_shows_what_there_is(capsys, own_home):
    store = face.orchestrator_for(AgentSettings()).store
    store.create("Predict BTC", workspaces=own_home / "runs", model="offline", settings={}, session_id="r")
    with store.engine.connect() as db:  # SQLite says "database or disk is full" past this many pages
        pages = db.exec_driver_sql("PRAGMA page_count").scalar()
    store.engine.dispose()
    from sqlalchemy import event

    event.listen(store.engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count = {pages}"))
    capsys.readouterr()
    with pytest.raises(Exception, match="full") as refused:
        store.append("r", "r", [(f"k{n}", Reason(text="x" * 4000)) for n in range(50)])
    assert refused.value.code == "store.unreachable"
    assert "r" in told(capsys, "list")
    assert store.events("r") == []
    assert "It is whole." in told(capsys, "db", "check")
    age = datetime.now(UTC) - timedelta(days=100)
    with sqlite3.connect(own_home / "store.db") as file:
        file.execute("UPDATE agent_sessions SET status='finished', created_at=?, updated_at=?",
                     [age.strftime("%Y-%m-%d %H:%M:%S.%f")] * 2)  # fmt: skip
    file.close()
    assert "1 runs removed" in told(capsys, "db", "prune", "--older-than", "90d")
    store.engine.dispose()


def test_the_compose_file_starts_both_servers_for_this_machine_only():
    from pathlib import Path

    import yaml

    made = yaml.safe_load((Path(__file__).parent.parent / "docs" / "compose.yaml").read_text())
    assert set(made["services"]) == {"postgres", "redis"}
    for service in made["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]["test"]
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(made["volumes"])
