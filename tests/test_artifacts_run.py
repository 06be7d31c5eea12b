"""One whole run whose files lie in S3: listed, fetched, verified, exported, predicted from, and no key anywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

import omc_agent
from omc_agent import cli
from omc_agent.engine import the_engine
from omc_agent.errors import RunError, SandboxError
from omc_agent.sandbox.box import Sandbox
from omc_agent.store.artifacts import delete_artifacts, save_artifact
from omc_agent.tools.data import fetch_price_data
from tests.conftest import QUICK
from tests.servers.s3 import KEYS, faulty_proxy, moto_server
from tests.tampered import tamper_skops, tampered_xgboost

GOAL = "Predict whether ETH rises over the next hour with random forest, using the last 12 days"
NAMES = {"report.html", "report.md", "metrics.json", "candidates.csv", "model_card.md", "model.skops"}


@pytest.fixture(scope="module")
def servers():
    with moto_server("lab") as behind, faulty_proxy(behind) as before:
        yield before


@pytest.fixture(scope="module")
def done(servers, market, tmp_path_factory):
    """The run; its settings name the place, the environment holds the keys."""
    home = tmp_path_factory.mktemp("in-s3")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in servers.variables().items():
            patch.setenv(name, value)
        yield omc_agent.run(GOAL, db=market, home=str(home), artifact_url="s3://lab/runs", **QUICK)


@pytest.fixture
def bars(market):
    return fetch_price_data(["ETH"], db=market)


def test_all_files_lie_at_the_url_and_none_here(done):
    assert {row["name"] for row in done.artifacts} >= NAMES
    assert {row["path"].rpartition("/")[0] for row in done.artifacts} == {f"s3://lab/runs/{done.id}/{done.id}"}
    assert not list((done.workspace / "artifacts").iterdir())
    makers = {row["name"]: row["made_by"] for row in done.artifacts}
    assert makers["report.html"] == "reporting"
    assert makers["model.skops"].endswith(", scoring")
    picture = next(name for name in makers if name.endswith(".png"))
    stage, number = picture.split("-cell")
    assert makers[picture] == f"cell {number.split('-')[0]}, {stage}"
    cells = {row["n"]: row["code"] for row in done.cells}
    assert "save_model" in cells[int(makers["model.skops"].split()[1].strip(","))]


def test_a_file_is_fetched_once_and_the_report_is_read(done, servers):
    path = done.artifact("candidates.csv")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == next(
        row["sha256"] for row in done.artifacts if row["name"] == "candidates.csv"
    )
    servers.seen.clear()
    assert done.artifact("candidates.csv") == path
    assert servers.seen == []
    assert "ETH" in done.report
    assert done.report.path.read_text().startswith("<!")
    with pytest.raises(RunError, match=r"has no file nothing\.txt\. Its files: model\.skops") as unknown:
        done.artifact("nothing.txt")
    assert unknown.value.code == "run.no_artifact"


def test_the_command_line_lists_and_fetches(done, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OMC_AGENT_HOME", done._settings.home)
    assert cli.main(["artifacts", done.id]) == 0
    listed = capsys.readouterr().out
    assert "made by" in listed
    assert f"s3://lab/runs/{done.id}/{done.id}/report.html" in listed
    assert cli.main(["artifacts", done.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [{k: v for k, v in row.items() if k != "branch"} for row in told["artifacts"]] == done.artifacts
    assert cli.main(["artifacts", done.id, "--get", "report.md", "--to", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_text() == str(done.report)
    assert cli.main(["artifacts", f"{done.id}.1", "--get", "report.md", "--to", str(tmp_path / "mine.md")]) == 0
    assert (tmp_path / "mine.md").exists()
    capsys.readouterr()
    assert cli.main(["artifacts", done.id, "--get", "nothing"]) == 1
    assert capsys.readouterr().err.startswith("run.no_artifact: Run ")
    assert cli.main(["artifacts", done.id, "--get", "report.md", "--to", str(tmp_path / "no" / "x")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_no_key_is_in_the_store_the_workspace_or_the_child(done):
    secret, home = KEYS["AWS_SECRET_ACCESS_KEY"], Path(done._settings.home)
    with sqlite3.connect(home / "store.db") as db:
        assert secret not in "\n".join(db.iterdump())
    held = [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert held == []  # prompts too: they are kept in the workspace
    assert list(done.workspace.rglob("*prompts*"))

    async def environment():
        async with Sandbox() as box:
            shown = await box.run("import os\nsorted(os.environ.items())")
            return shown.outputs[0]["text/plain"]

    told = the_engine().submit(environment()).result()
    assert "PATH" in told
    assert "AWS" not in told


def test_predict_takes_the_model_from_there_and_hands_it_to_a_child(done, bars, monkeypatch):
    import skops.io

    def refused(*_: object, **__: object) -> None:
        pytest.fail("the host opened a model")

    monkeypatch.setattr(skops.io, "loads", refused)
    monkeypatch.setattr(skops.io, "load", refused)
    shutil.rmtree(done.workspace / "artifacts")
    shutil.rmtree(done.workspace / "fetched", ignore_errors=True)
    made = done.predict(bars.tail(3))
    assert made["probability"].between(0, 1).all()
    with pytest.raises(RunError, match="only knowingly"):
        done.load_model()


def test_verify_and_export_work_without_the_files_here(done, tmp_path):
    shutil.rmtree(done.workspace / "artifacts", ignore_errors=True)
    found = done.verify()
    assert found.same, found.lines()
    assert f"and {len(done.artifacts)} artifacts" in "\n".join(found.lines())
    assert "train_classification_model" in done.export(tmp_path / "run.ipynb").read_text()


def test_a_model_file_that_was_changed_is_refused_before_a_child_is_started(done, bars, monkeypatch):
    rows = done._artifacts()
    bad = save_artifact("s3://lab/elsewhere", "model.skops", tamper_skops(done.artifact("model.skops").read_bytes()))
    changed = [{**row, "path": bad.path} if row["name"] == "model.skops" else row for row in rows]
    monkeypatch.setattr(done, "_artifacts", lambda: changed)
    shutil.rmtree(done.workspace / "fetched")
    monkeypatch.setattr("omc_agent.predicting.Sandbox", lambda **_: pytest.fail("a child was started"))
    for use in (lambda: done.predict(bars.tail(3)), lambda: done.load_model(trust=True)):
        with pytest.raises(RunError, match=r"model\.skops is not the file that the run wrote") as refused:
            use()
        assert refused.value.code == "run.artifact_changed"


@pytest.mark.parametrize("kind", ["scikit-learn", "xgboost"])
def test_a_hostile_tree_kills_the_child_and_not_the_host(done, bars, kind, tmp_path):
    """Its hash is right: code that a model wrote made it, and the host recorded what it was given."""
    predictor = done._predictor()
    bad = (
        tamper_skops(predictor._model)
        if kind == "scikit-learn"
        else tampered_xgboost(done.frames["features"], tmp_path)
    )
    predictor._model = bad
    with pytest.raises(SandboxError, match=r"with random forest: The child kernel died\. Nothing else") as died:
        the_engine().submit(predictor.predict(bars.tail(3))).result()
    assert died.value.code == "sandbox.died"
    assert done.predict(bars.tail(3))["probability"].between(0, 1).all()  # the next one works


def test_a_file_that_was_changed_there_is_named_by_verify(done, monkeypatch):
    path = next(row["path"] for row in done.artifacts if row["name"] == "metrics.json")
    was = done.artifact("metrics.json").read_bytes()
    save_artifact(path.rpartition("/")[0], "metrics.json", b"{}")
    try:
        from omc_agent.verifying import Verifier

        checker = Verifier(done._row, done._store.cells(done.id), done._artifacts(), done._settings)
        assert checker._check_files() is False
        assert "metrics.json was changed" in "\n".join(checker.found.lines())
    finally:
        save_artifact(path.rpartition("/")[0], "metrics.json", was)


def test_a_place_that_is_away_is_no_difference_for_verify(done, servers, monkeypatch):
    from omc_agent.verifying import Verifier

    monkeypatch.setattr("omc_agent.store.filesystems.WAITS", (0.01,))
    servers.always = "denied"
    try:
        checker = Verifier(done._row, done._store.cells(done.id), done._artifacts()[:1], done._settings)
        assert checker._check_files() is True
        assert "refused the keys" in "\n".join(checker.found.lines())
    finally:
        servers.always = ""


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [("s3://nope/x", "run.artifact_store", "has no bucket nope"), ("nowhere://x", "usage.value", "no file system")],
)
def test_a_new_run_ends_before_it_thinks_where_its_files_cannot_be_put(
    servers, market, monkeypatch, url, code, words
):
    for name, value in servers.variables().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(omc_agent.errors.AgentError, match=words) as refused:
        omc_agent.run(GOAL, db=market, artifact_url=url, **QUICK)
    assert refused.value.code == code


def test_a_new_run_of_the_same_id_does_not_write_over_it(done, market, servers, tmp_path):
    from omc_agent import face
    from omc_agent.config import settings_with

    settings = settings_with(None, db=market, home=str(tmp_path), artifact_url="s3://lab/runs", **QUICK)
    with pytest.raises(RunError, match="A run of that id has"):
        face.start(GOAL, settings=settings, session_id=done.id).wait()


def test_deleting_takes_the_files_with_it(done):
    """Last: the run is gone then."""
    assert delete_artifacts(done._store.artifacts(done.id), done.id) == []
    with pytest.raises(RunError) as gone:
        done.predict(None)
    assert gone.value.code == "run.no_artifact"
