"""What is said of a run to MLflow: no score before the opening, no key, no value that MLflow would refuse."""

from __future__ import annotations

import math

from omc_agent.tracking.payload import payload_of
from tests.tracking.tracked_run import CANDIDATES, candidate, conclude, write_run


def said_of(store, run_id, **more):
    return payload_of(store.read(run_id), store.artifacts(run_id), {"random_forest": 1_700_000_000.0}, **more)


def test_a_sealed_score_is_told_only_after_the_opening(tmp_path):
    store, run_id = write_run(tmp_path, verdict=None)
    said = said_of(store, run_id)
    every = [said["parent"], *said["children"]]
    assert not [name for each in every for name, *_ in each["metrics"] if name.startswith("sealed")]
    assert not [each for each in every if "omc_agent.verdict" in each["tags"]]
    conclude(store, run_id, run_id, CANDIDATES, {"call": None, "reason": "leak"}, horizon="PT1H")
    said = said_of(store, run_id)
    assert said["parent"]["tags"]["omc_agent.verdict"] == "leak"
    assert "sealed_score" not in {name for name, *_ in said["parent"]["metrics"]}


def test_a_key_in_a_goal_is_hidden_and_a_long_goal_is_cut(tmp_path):
    store, run_id = write_run(tmp_path, goal="Predict ETH with sk-proj-A1b2C3d4E5f6G7h8 " + "x" * 9000)
    said = said_of(store, run_id)
    for each in [said["parent"], *said["children"]]:
        assert "A1b2C3d4" not in str(each)
        assert max(len(value) for value in each["tags"].values()) <= 6000
        assert len(each["name"]) <= 250


def test_values_are_what_mlflow_takes(tmp_path):
    store, run_id = write_run(tmp_path)
    strange = candidate("odd one", "ridge", 0.5, params={"a|b": [1, 2], "deep": {"x": None}, "flag": True})
    strange["high"], strange["folds"] = math.inf, [0.4, math.nan, None, 0.6]
    conclude(store, run_id, run_id, {"odd one": strange, **CANDIDATES}, None, horizon="PT1H")
    odd = said_of(store, run_id)["children"][0]
    assert odd["params"] | {"a_b": "1, 2", "deep": '{"x": null}', "flag": "true"} == odd["params"]
    assert [(value, step) for name, value, _, step in odd["metrics"] if name == "fold_score"] == [(0.4, 1), (0.6, 4)]
    assert "walk_forward_high" not in {name for name, *_ in odd["metrics"]}


def test_a_parameter_called_as_one_of_the_run_keeps_both(tmp_path):
    store, run_id = write_run(tmp_path)
    forest = said_of(store, run_id)["children"][1]
    assert (forest["params"]["model"], forest["params"]["model.model"]) == ("random_forest", "deep")
    assert forest["end"] - forest["start"] == 250


def test_how_long_a_fit_took_makes_no_other_candidate_and_another_score_does(tmp_path):
    store, run_id = write_run(tmp_path)
    keys = []
    for change in ({}, {"fit_seconds": 9.0}, {"score": 0.55}, {"params": {"max_depth": 5}}):
        conclude(
            store, run_id, run_id, {"random_forest": {**CANDIDATES["random_forest"], **change}}, None, horizon="PT1H"
        )
        keys.append(said_of(store, run_id)["children"][0]["key"])
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_run_with_nothing_to_show_is_not_told(tmp_path):
    store, run_id = write_run(tmp_path)
    store.update(run_id, summary={"things": {"brief": {}}})
    assert said_of(store, run_id, status="failed") is None
    assert said_of(store, run_id, status="finished")["children"] == []
