"""Words of a person become a turn: from which stage on, with what, and what is refused."""

from __future__ import annotations

import pytest

from omc_agent.errors import UsageError
from omc_agent.graph.state import STAGES
from omc_agent.overrides import KEYS, ORDER
from omc_agent.turning import turn_from

WORDS = {
    "coins": "coins=ETH", "start": "start=2024-01-01", "end": "end=2024-02-01", "task": "task=analysis",
    "target": "target=return", "threshold": "threshold=0.02", "horizon": "horizon=4h", "holdout": "holdout=0.3",
    "indicators": "indicators=rsi", "lags": "lags=1,2", "windows": "windows=12", "drop": "drop=ret_1",
    "models": "models=ridge", "avoid_models": "avoid_models=lasso", "metric": "metric=mae", "folds": "folds=3",
    "trials": "trials=4", "choice": "choice=ridge",
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_without_a_stage_it_begins_where_the_change_is_first_felt(key):
    turn = turn_from(None, [WORDS[key]], "ann")
    assert (turn.stage, list(turn.overrides), turn.by) == (KEYS[key].stage, [key], "ann")


def test_of_several_changes_the_earliest_stage_counts():
    turn = turn_from(None, ["trials=4", "xgboost.max_depth=3", "lags=1,2"], "ann")
    assert turn.stage == "feature_engineering"
    assert turn.overrides == {"trials": 4, "xgboost.max_depth": 3, "lags": [1, 2]}


@pytest.mark.parametrize("stage", STAGES)
def test_any_stage_may_be_done_again_as_it_was(stage):
    turn = turn_from(stage, [], "ann")
    assert (turn.stage, turn.overrides) == (stage, {})


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_taken_from_its_stage_on_and_refused_after_it(key, stage):
    last = "feature_engineering" if key == "indicators" else KEYS[key].stage
    if STAGES.index(stage) <= STAGES.index(last):
        assert turn_from(stage, [WORDS[key]], "ann").stage == stage
        return
    with pytest.raises(UsageError) as refused:
        turn_from(stage, [WORDS[key]], "ann")
    assert refused.value.code == "usage.override"
    assert f"From {stage} on, {key}" in refused.value.given
    known = refused.value.have.split(": ")[1].rstrip(".").split(", ")
    fits = [name for name, each in KEYS.items() if STAGES.index(each.stage) >= STAGES.index(stage)]
    fits += ["indicators"] if stage == "feature_engineering" else []
    assert sorted(known) == sorted(fits or ["nothing"])
    assert f"Restart from {KEYS[key].stage}" in refused.value.try_


def test_only_what_comes_too_late_is_named():
    with pytest.raises(UsageError) as refused:
        turn_from("model_training", ["horizon=4h", "models=ridge", "lags=1"], "ann")
    assert "horizon, lags changes" in refused.value.given
    assert "Restart from planning" in refused.value.try_


@pytest.mark.parametrize("stage", ["trainings", "", "circuit_breaker"])
def test_an_unknown_stage_is_refused_with_those_there_are(stage):
    with pytest.raises(UsageError) as refused:
        turn_from(stage, [], "ann")
    assert refused.value.code == "usage.value"
    assert all(name in refused.value.have for name in STAGES)


def test_nothing_to_change_and_no_stage_is_refused_with_what_there_is():
    with pytest.raises(UsageError) as refused:
        turn_from(None, [], "ann")
    assert refused.value.code == "usage.override"
    assert all(key in refused.value.have for key in KEYS)


def test_the_stages_that_changes_begin_at_are_stages_in_their_order():
    assert [stage for stage in STAGES if stage in ORDER] == list(ORDER)
