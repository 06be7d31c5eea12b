"""Bundled sets of scikit-learn through the whole agent."""

from __future__ import annotations

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

import omc_agent


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    data = load_iris(as_frame=True)
    frame = data.frame.assign(species=data.target_names[data.frame["target"]]).drop(columns="target")
    home = str(tmp_path_factory.mktemp("home"))
    goal = "predict the species with logistic regression"
    return omc_agent.run(goal, data=frame, target="species", home=home, trials=1, tuning_rounds=0), frame


def test_three_species_are_an_edge(iris):
    run, _ = iris
    assert (run.status, run.brief["task"], run.brief["metric"]) == ("finished", "classification", "log_loss_skill")
    assert (run.verdict["call"], run.verdict["metric"]) == ("edge", "log_loss_skill")
    assert run.verdict["score"] > 0.6
    assert {each["name"] for each in run.candidates} == {"constant", "logistic_regression", "random_forest"}
    assert "log loss" in run.texts["verdict"]["sentence"]


def test_new_rows_need_no_species(iris):
    run, frame = iris
    said = run.predict(frame.drop(columns="species").iloc[[0, 60, 149]])
    assert said["class"].tolist() == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize(
    ("load", "target", "goal", "task"),
    [
        (load_breast_cancer, "malignant", "predict malignant", "classification"),
        pytest.param(load_diabetes, "progression", "predict progression", "regression", marks=pytest.mark.long),
    ],
)
def test_small_bundled_sets_are_an_edge_or_undecided_with_few_candidates(load, target, goal, task, tmp_path):
    data = load(as_frame=True)
    frame = data.data.assign(**{target: data.target})
    run = omc_agent.run(goal, data=frame, target=target, home=str(tmp_path), trials=2, tuning_rounds=0)
    assert (run.status, run.brief["task"]) == ("finished", task)
    assert run.verdict["call"] in ("edge", "inconclusive")
    assert run.verdict["score"] > (0.9 if task == "classification" else 0.1)
    tried = {each["model"] for each in run.candidates}
    assert {"constant", "random_forest"} < tried
    assert "xgboost" not in tried
