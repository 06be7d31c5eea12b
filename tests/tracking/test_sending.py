"""A run at MLflow's own server, read back by MLflow's client; and what is said where no server takes it."""

from __future__ import annotations

import importlib.util
import io
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from omc_agent.config import AgentSettings
from omc_agent.errors import RunError
from omc_agent.session import Session
from omc_agent.tracking import sending
from omc_agent.tracking.destination import Destination
from omc_agent.tracking.sending import send_again, send_at_end
from tests.tracking.mlflow_server import free_port, tracking_server, unwell
from tests.tracking.tracked_run import CANDIDATES, VERDICT, candidate, conclude, write_run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with tracking_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="module")
def client(server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own imports
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
            from mlflow.tracking import MlflowClient
        return MlflowClient(tracking_uri=server)


def runs_of(client, experiment, session):
    found = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id],
        filter_string=f"tags.`omc_agent.session` = '{session}'",
    )
    return {run.data.tags["omc_agent.key"].partition(":")[0] + ":" + run.info.run_name: run for run in found}, found


def test_a_run_is_sent_once_and_can_be_read_back(server, client, tmp_path):
    store, run_id = write_run(tmp_path)
    settings = AgentSettings(home=str(tmp_path), mlflow_uri=server, mlflow_experiment="first")
    sent = send_again(store, run_id, settings)
    assert (sent.runs, sent.written) == (4, 4)
    assert (
        store.read(run_id)["summary"]["mlflow"]["url"]
        == f"{server}/#/experiments/{sent.experiment_id}/runs/{sent.run_id}"
    )
    by_name, all_runs = runs_of(client, "first", run_id)
    assert len(all_runs) == 4
    parent, forest = client.get_run(sent.run_id), by_name["candidate:random_forest"]
    chosen = by_name["chosen:chosen: random forest"]
    assert {run.data.tags["mlflow.parentRunId"] for run in all_runs if run.info.run_id != sent.run_id} == {
        sent.run_id
    }
    tags = parent.data.tags
    assert {name: tags[f"omc_agent.{name}"] for name in ("session", "branch", "goal", "verdict", "status")} == {
        "session": run_id, "branch": run_id, "goal": "Predict whether ETH rises", "verdict": "edge",
        "status": "finished"}  # fmt: skip
    assert tags["omc_agent.data"] == "f" * 64
    assert parent.info.status == "FINISHED"
    assert parent.info.end_time - parent.info.start_time == 12_500
    assert forest.data.params == {
        "model": "random_forest", "max_depth": "4", "model.model": "deep", "metric": "roc_auc", "horizon": "PT1H",
        "target": "direction", "task": "classification", "coins": "ETH", "table": "price_data_5min", "seed": "3",
        "folds": "3", "holdout": "0.2"}  # fmt: skip
    assert forest.data.metrics["walk_forward_score"] == 0.53
    assert "sealed_score" not in forest.data.metrics
    folds = client.get_metric_history(forest.info.run_id, "fold_score")
    assert [(each.step, each.value) for each in folds] == [(1, 0.52), (3, 0.54)]
    assert {name: chosen.data.metrics[name] for name in ("sealed_score", "sealed_low", "sealed_high")} == {
        "sealed_score": VERDICT["score"], "sealed_low": VERDICT["low"], "sealed_high": VERDICT["high"]}  # fmt: skip
    assert chosen.data.tags["omc_agent.verdict"] == "edge"
    assert [each.path for each in client.list_artifacts(parent.info.run_id)] == ["report.md", "roc-cell3-1.png"]
    there = client.download_artifacts(chosen.info.run_id, "model/model.skops", str(tmp_path))
    assert Path(there).read_text() == f"model.skops of {run_id}"
    assert spoken(server, store, run_id, "first")["written"] == 0
    assert len(runs_of(client, "first", run_id)[1]) == 4


def spoken(server, store, run_id, experiment):
    """What the process does, here in this one: MLflow is imported already."""
    from omc_agent.tracking.payload import payload_of
    from omc_agent.tracking.speaker import main

    row = store.read(run_id)
    files = [each for each in store.artifacts(run_id) if each["branch"] == row["branch"]]
    payload = payload_of(row, files, dict.fromkeys(CANDIDATES, 1_700_000_000.0))
    answer = io.StringIO()
    main(io.StringIO(json.dumps({"uri": server, "experiment": experiment, "payload": payload})), answer)
    return json.loads(answer.getvalue())


def test_a_branch_adds_what_is_new_and_doubles_nothing(server, client, tmp_path):
    store, run_id = write_run(tmp_path)
    assert spoken(server, store, run_id, "branches")["written"] == 4
    # From reporting on: the same candidates.
    conclude(store, run_id, f"{run_id}.1", CANDIDATES, VERDICT, horizon="PT1H")
    assert spoken(server, store, run_id, "branches")["written"] == 2  # the session and what this branch chose
    # From training on, with another horizon and another score: other candidates.
    again = {**CANDIDATES, "random_forest": candidate("random_forest", "random_forest", 0.58)}
    conclude(store, run_id, f"{run_id}.2", again, {**VERDICT, "call": "no_edge", "opened": 2}, horizon="PT4H")
    spoken(server, store, run_id, "branches")
    _, runs = runs_of(client, "branches", run_id)
    kinds = [run.data.tags["omc_agent.key"].partition(":")[0] for run in runs]
    assert {kind: kinds.count(kind) for kind in kinds} == {"session": 1, "candidate": 4, "chosen": 3}
    (session,) = [run for run in runs if run.data.tags["omc_agent.key"] == "session"]
    assert session.data.tags["omc_agent.branch"] == f"{run_id}.2"
    assert session.data.tags["omc_agent.verdict"] == "no_edge"
    assert session.data.tags["omc_agent.horizon"] == "PT4H"
    assert {each.path for each in client.list_artifacts(session.info.run_id)} >= {"report.md", f"{run_id}.2"}


async def test_the_session_tells_where_the_run_is(server, tmp_path):
    store, run_id = write_run(tmp_path)
    told = []

    async def emit(event, key):
        told.append(event)

    settings = AgentSettings(home=str(tmp_path), mlflow_uri=server, mlflow_experiment="told")
    session = SimpleNamespace(shared=SimpleNamespace(store=store), id=run_id, settings=settings, status="finished",
                              row=store.read(run_id), _emit=emit)  # fmt: skip
    kept = await Session._send_away(session)
    (event,) = told
    assert (event.kind, event.runs, event.experiment, event.url) == ("run_tracked", 4, "told", kept["url"])
    assert kept["url"].startswith(f"{server}/#/experiments/")


def test_files_of_another_store_are_sent_and_those_that_are_gone_are_named(server, client, tmp_path):
    store, run_id = write_run(tmp_path)
    for name, body in (("report.md", b"far away"), ("roc-cell3-1.png", None), ("model_card.md", None)):
        url = f"memory://omc/{name}"
        if body is not None:
            with fsspec.open(url, "wb") as file:
                file.write(body)
        path = str(tmp_path / "gone.md") if name == "model_card.md" else url
        store.record_artifact(run_id, run_id, name=name, path=path, sha256="ab", size=8)
    said = spoken(server, store, run_id, "far")
    assert sorted(said["missing"]) == ["gone.md", "roc-cell3-1.png"]
    assert [each.path for each in client.list_artifacts(said["run_id"])] == ["report.md"]
    sent = sending.Sent("sqlite:///m.db", "far", "1", "ab", 4, 4, said["missing"])
    assert "Gone, and so not sent: " in sent.line()


def test_half_a_sending_is_completed_by_the_next(server, client, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    store, run_id = write_run(tmp_path)
    kept = MlflowClient.log_artifact

    def breaks(self, run, path, *more):
        if path.endswith("model.skops"):
            raise ConnectionError("the line went dead")
        return kept(self, run, path, *more)

    monkeypatch.setattr(MlflowClient, "log_artifact", breaks)
    assert spoken(server, store, run_id, "halves")["error"] == "ConnectionError: the line went dead"
    monkeypatch.undo()
    assert spoken(server, store, run_id, "halves")["written"] == 1  # the chosen one alone
    by_name, runs = runs_of(client, "halves", run_id)
    assert len(runs) == 4
    chosen = by_name["chosen:chosen: random forest"]
    assert len(client.get_metric_history(chosen.info.run_id, "sealed_score")) == 1
    assert len(client.list_artifacts(chosen.info.run_id, "model")) == 2


@pytest.mark.parametrize("kind", ["gone", "silent"])
def test_where_no_server_takes_it_one_sentence_says_how_to_send_it_later(kind, tmp_path, monkeypatch):
    store, run_id = write_run(tmp_path)
    monkeypatch.setattr(sending, "WAIT", 6.0 if kind == "silent" else 60.0)
    with unwell(kind) as url:
        address = f"http://127.0.0.1:{free_port()}" if kind == "gone" else url
        uri = address.replace("http://", "http://me:Sup3rS3cretWord@")
        settings = AgentSettings(home=str(tmp_path), mlflow_uri=uri)
        sent, why = send_at_end(store, run_id, settings, "finished")
    assert sent is None
    assert "Sup3rS3cretWord" not in why
    assert f"omc-agent mlflow {run_id}" in why
    assert {"gone": "cannot be reached", "silent": "longer than 6 s"}[kind] in why


@pytest.mark.parametrize("kind", ["refused", "html"])
def test_what_a_server_answers_that_is_not_well_is_one_line_without_the_password(kind, client, tmp_path):
    store, run_id = write_run(tmp_path)
    with unwell(kind) as url:
        uri = url.replace("http://", "http://me:Sup3rS3cretWord@")
        said = spoken(uri, store, run_id, "any")
    line = sending._not_sent(Destination(uri, "any", True), run_id, said["error"]).line()
    assert "The reason: MlflowException" in line or "The reason: RestException" in line
    assert "Sup3rS3cretWord" not in line
    assert "\n" not in line


def test_a_run_that_goes_on_is_not_sent_and_neither_is_one_without_an_address(tmp_path):
    store, run_id = write_run(tmp_path)
    gone = AgentSettings(home=str(tmp_path), mlflow_uri=f"http://127.0.0.1:{free_port()}")
    for status in ("parked", "stopped"):
        assert send_at_end(store, run_id, gone, status) == (None, "")
    assert send_at_end(store, run_id, AgentSettings(home=str(tmp_path)), "finished") == (None, "")
    with pytest.raises(RunError) as told:
        send_again(store, run_id, AgentSettings(home=str(tmp_path)))
    assert told.value.code == "run.tracking"


def test_without_the_package_our_own_setting_is_answered_with_the_pip_line(tmp_path, monkeypatch):
    store, run_id = write_run(tmp_path)
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "omc_agent.tracking.destination.find_spec", lambda name: None if name == "mlflow" else real(name)
    )
    own = AgentSettings(home=str(tmp_path), mlflow_uri="http://127.0.0.1:9")
    assert 'pip install "omc-agent[mlflow]"' in send_at_end(store, run_id, own, "finished")[1]
    # MLflow's own variable is there for other programs too: it is no wish that has to be answered.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert send_at_end(store, run_id, AgentSettings(home=str(tmp_path)), "finished") == (None, "")


def test_two_sendings_of_one_run_do_not_both_send_it(tmp_path):
    folder = tmp_path / "one"
    with sending._alone(folder, 5) as first, sending._alone(folder, 0.3) as second:
        assert (first, second) == (True, False)
    with sending._alone(folder, 0.3) as third:
        assert third
