"""What a person decided holds, whatever the model asks for."""

from __future__ import annotations

import pytest
from scripted import ScriptedChatModel, call, in_turn
from test_agent_nodes import FRAMES, STATE, scored, walk

from omc_agent.agents.context import Outcome
from omc_agent.agents.decided import decided_model, decided_params, decided_space
from omc_agent.brief import Brief
from omc_agent.errors import UsageError


def overridden(**overrides):
    return {**STATE, "overrides": overrides}


def asks(*calls):
    """A model that makes these calls, one after another."""
    return ScriptedChatModel(script=in_turn(*[("so be it", [call(name, **args)]) for name, args in calls]))


async def test_lags_windows_and_indicators_are_those_of_the_person():
    state = overridden(lags=[1, 2], windows=[24], indicators=["rsi", "macd"])
    other = asks(("create_features", {"prices": "bars", "lags": [9], "indicators": ["sma"]}))
    _, world = await walk("feature_engineering", state, model=other)
    code = " ".join(world.cells[0].code.split())
    assert "lags=[1, 2], windows=[24]" in code
    assert "indicators=['rsi', 'macd']" in code


async def test_features_use_the_indicators_of_the_brief_though_the_frame_holds_more():
    state = {**STATE, "brief": {**STATE["brief"], "indicators": ["rsi"]}}
    names_none = asks(("create_features", {"prices": "bars"}))
    _, world = await walk("feature_engineering", state, model=names_none)
    assert "indicators=['rsi']" in world.cells[0].code
    _, world = await walk("feature_engineering", STATE, model=names_none)
    assert "indicators" not in world.cells[0].code


async def test_indicators_are_computed_as_decided():
    _, world = await walk("data_analysis", overridden(indicators=["ema"]))
    assert "indicators=['ema']" in world.cells[1].code


async def test_a_column_that_was_left_out_may_not_stay():
    made = {"sha": "s", "rows": 3, "columns": ["coin", "timestamp", "ret_1", "range", "target"]}
    left, _ = await walk(
        "feature_engineering",
        overridden(drop=["range", "target", "nothing"]),
        model=asks(("create_features", {"prices": "bars"})),
        outcome=lambda code, into: Outcome(n=1, status="ok", frames=dict.fromkeys(into, made)),
    )
    assert left["trouble"]["missing"] == "the frame `features` without range"


async def test_hyperparameters_are_fixed_for_their_model():
    state = overridden(**{"xgboost.max_depth": 4})
    other = asks(("cross_validate_model", {"features": "features", "model": "xgboost", "params": {"max_depth": 9}}))
    _, world = await walk("model_training", state, model=other)
    assert "params={'max_depth': 4}" in " ".join(world.cells[0].code.split())


async def test_a_model_that_was_left_out_is_refused_and_a_rule_is_not():
    other = asks(
        ("cross_validate_model", {"features": "features", "model": "xgboost"}),
        ("cross_validate_model", {"features": "features", "model": "last"}),
    )
    _, world = await walk("model_training", overridden(models=["random_forest"]), model=other)
    assert ["xgboost" in cell.code for cell in world.cells] == [False]
    assert any("random_forest" in event.text for event in world.events if event.kind == "observe" and not event.ok)


def test_models_that_do_not_fit_the_task_rule_nothing_out():
    state = {"brief": Brief().model_dump(), "overrides": {"models": ["ridge"]}}
    assert decided_model(state, {"model": "xgboost"}) == {"model": "xgboost"}
    with pytest.raises(UsageError):
        decided_model({**state, "overrides": {"avoid_models": ["xgboost"]}}, {"model": "xgboost"})


async def test_a_range_is_what_the_search_looks_at():
    state = {**overridden(**{"xgboost.max_depth": [2, 4], "xgboost.subsample": 0.5}), "frames": FRAMES}
    _, world = await walk("hyperparameter_tuning", {**state, "proposal": {"model": "xgboost"}})
    code = " ".join(world.cells[0].code.split())
    assert "space={'max_depth': ['int', 2, 4]}" in code
    assert "params={'subsample': 0.5}" in code


async def test_a_search_that_the_defaults_won_is_no_candidate_where_a_value_is_decided():
    def won(params):
        def outcome(code, into):
            frames = {name: {"sha": name, "rows": 4, "columns": ["prediction"]} for name in into[1:]}
            claim = {**scored("xgboost"), "params": params}
            return Outcome(n=1, status="ok", frames=frames, values={into[0]: claim})

        return outcome

    state = {**overridden(**{"xgboost.max_depth": 4}), "proposal": {"model": "xgboost"}}
    left, _ = await walk("hyperparameter_tuning", state, outcome=won({}))
    assert not left.get("candidates")
    left, _ = await walk("hyperparameter_tuning", state, outcome=won({"max_depth": 4}))
    assert list(left["candidates"]) == ["xgboost_tuned"]


def test_a_value_alone_is_fixed_in_every_trial_the_first_too():
    made = decided_space({"overrides": {"xgboost.max_depth": 4}}, {"model": "xgboost"})
    assert made == {"model": "xgboost", "params": {"max_depth": 4}}


def test_simple_models_stand_beside_what_a_person_decided_on_unless_they_rule_them_out():
    state = {"brief": Brief().model_dump(), "overrides": {"models": ["xgboost"]}}
    assert decided_model(state, {"model": "logistic_regression"}) == {"model": "logistic_regression"}
    with pytest.raises(UsageError):
        decided_model({**state, "overrides": {**state["overrides"], "avoid_models": ["random_forest"]}},
                      {"model": "random_forest"})  # fmt: skip


def test_nothing_is_changed_where_nothing_was_decided():
    for decide in (decided_params, decided_space):
        assert decide({}, {"model": "xgboost", "params": None}) == {"model": "xgboost", "params": None}
