"""Which calls ask under which mode, what each answer does to the call, and what is allowed from then on."""

from __future__ import annotations

import json

import pytest
from worlds import World

from omc_agent.agents import gating
from omc_agent.agents.base import free_code_tool
from omc_agent.brief import Brief
from omc_agent.request import Decision, digest

STEPS = [
    {"stage": "data_retrieval", "title": "Data", "detail": "Read.", "rows": 25_920, "minutes": 0.2},
    {
        "stage": "feature_engineering",
        "title": "Features",
        "detail": "Returns and RSI.",
        "columns": 12,
        "minutes": 0.1,
    },
    {"stage": "model_training", "title": "Models", "detail": "Two models.", "fits": 30, "minutes": 1, "usd": 0.05},
]
STATE = {
    "brief": Brief(coins=["BTC"], models=["ridge"], task="regression", metric="mae").model_dump(),
    "plan": STEPS,
    "frames": {"bars": {}, "prices": {}},
    "overrides": {"lags": [2]},
}


def call(name, **args):
    return {"name": name, "args": args, "id": "call-1"}


CODE = call("run_python", code="x = bars.mean(); save_state('x', 1)", kind="fit", into=["x"])
PLAN = call("submit_plan", steps=STEPS)
CELL = call("create_features", prices="bars")


def asked(stage, made, approve, *, host=False, **state):
    return gating.request_for(stage, made, {**STATE, **state}, World(approve).context, host=host)


# stage, call, host, then the gate that is asked under always and under risky and never ("code" is asked under each:
# the policy answers it, and writes down that it did).
WHO_ASKS = [
    ("planning", PLAN, True, "scope", None),
    ("feature_engineering", CELL, False, "features", None),
    ("model_training", CELL, False, "models", None),
    ("hyperparameter_tuning", CELL, False, "models", None),
    ("feature_engineering", call("query", why=""), True, None, None),
    ("data_analysis", CELL, False, None, None),
    ("data_retrieval", CELL, False, None, None),
    ("model_evaluation", CELL, False, None, None),
    ("reporting", CELL, False, None, None),
    ("data_analysis", CODE, False, "code", "code"),
    ("feature_engineering", CODE, False, "code", "code"),
    ("model_training", CODE, False, "code", "code"),
]


@pytest.mark.parametrize(("stage", "made", "host", "always", "else_"), WHO_ASKS)
def test_a_plan_asks_once_under_always_and_free_code_each_time(stage, made, host, always, else_):
    for approve, gate in (("always", always), ("risky", else_), ("never", else_)):
        request = asked(stage, made, approve, host=host)
        assert (request.gate if request else None) == gate, approve
        assert request is None or request.stage == stage


@pytest.mark.parametrize(
    ("stage", "made", "allowed", "asks"),
    [
        ("feature_engineering", CELL, {"features:feature_engineering": True}, False),
        ("model_training", CELL, {"models:model_training": True}, False),
        ("hyperparameter_tuning", CELL, {"models:model_training": True}, True),
        ("model_training", CODE, {"models:model_training": True}, True),
        ("data_analysis", CODE, {"code": True}, False),
        ("feature_engineering", CELL, {"code": True}, True),
    ],
)
def test_what_was_allowed_passes_and_nothing_else_does(stage, made, allowed, asks):
    assert (asked(stage, made, "always", allowed=allowed) is not None) is asks


def test_code_is_shown_as_it_will_run_with_what_it_reads_and_leaves():
    request = asked("data_analysis", CODE, "risky")
    assert request.code == "x = bars.mean(); save_state('x', 1)"
    assert request.sha256() == digest("x = bars.mean(); save_state('x', 1)")
    assert request.rest
    assert request.effect == "Runs in the sandbox on bars, prices; leaves x."
    assert "What it learns is kept." in request.context
    assert request.default is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [("transform", "replayed for scoring."), ("fit", "is kept."), ("look", "only looks")],
)
def test_code_says_whether_it_is_replayed(kind, words):
    assert words in asked("data_analysis", call("run_python", code="save_state('x', 1)", kind=kind), "risky").context


def test_the_scope_shows_the_plan_and_what_all_of_it_does():
    request = asked("planning", PLAN, "always")
    assert request.plan == STEPS
    assert request.effect == "reads 25,920 rows, makes 12 columns, 30 fits, about 1.3 min, $0.05"


def test_features_and_models_show_their_step_and_what_may_be_changed():
    features = asked("feature_engineering", CELL, "always")
    assert features.plan == STEPS[1:2]
    assert features.effect == "makes 12 columns, about 0.1 min"
    assert features.changes["lags"] == [2]
    assert set(features.changes) == {"indicators", "lags", "windows", "drop"}
    models = asked("model_training", CELL, "always")
    assert models.changes == {"models": ["ridge"], "avoid_models": [], "metric": "mae", "folds": 5}
    assert asked("hyperparameter_tuning", CELL, "always").changes == {"trials": 8}
    assert models.context == "5 folds of the purged walk-forward."


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], ""),
        ([{"rows": 0, "minutes": None}], ""),
        ([{"minutes": 0.01}], "about 0.1 min"),
        ([{"rows": 1000}, {"rows": 500, "usd": 0.004}], "reads 1,500 rows, $0.00"),
        ([{"columns": 2, "fits": 4, "minutes": 90}], "makes 2 columns, 4 fits, about 90 min"),
    ],
)
def test_an_effect_is_summed_up_in_words(steps, words):
    assert gating.effect_words(steps) == words


def told(command):
    (message,) = command.update["messages"]
    return message, json.loads(message.text)


def test_rejected_code_is_told_to_the_model_and_the_stage_goes_on():
    request = asked("data_analysis", CODE, "risky")
    command = gating.rejected(request, Decision(type="reject", why="use less memory"), CODE, STATE)
    message, said = told(command)
    assert (message.status, message.tool_call_id, said["status"]) == ("error", "call-1", "rejected")
    assert "use less memory" in said["output"]
    assert set(command.update) == {"messages"}


@pytest.mark.parametrize(
    ("stage", "made"), [("planning", PLAN), ("feature_engineering", CELL), ("model_training", CELL)]
)
def test_a_rejected_plan_of_a_stage_ends_the_run(stage, made):
    command = gating.rejected(asked(stage, made, "always"), Decision(type="reject"), made, STATE)
    error = command.update["error"]
    assert error["code"] == "run.rejected"
    assert "no reason given" in error["given"]
    assert f"--from {stage}" in error["try"]


def test_a_rejected_search_is_left_out_and_not_asked_about_again():
    request = asked("hyperparameter_tuning", CELL, "always")
    update = gating.rejected(request, Decision(type="reject", why="slow"), CELL, {**STATE, "dropped": ["x"]}).update
    assert update["dropped"] == ["x", "hyperparameter_tuning"]
    assert "error" not in update
    assert asked("hyperparameter_tuning", CELL, "always", allowed=update["allowed"]) is None


def test_a_change_begins_the_stage_anew_and_is_not_asked_about_again():
    request = asked("feature_engineering", CELL, "always")
    decision = Decision(type="edit", value={"indicators": ["rsi"], "lags": [1]})
    update = gating.changed(request, decision, CELL, STATE).update
    assert update["goto"] == "feature_engineering"
    assert update["brief"]["indicators"] == ["rsi"]
    assert update["brief"]["coins"] == ["BTC"]
    assert update["overrides"] == {"indicators": ["rsi"], "lags": [1]}
    assert asked("feature_engineering", CELL, "always", allowed=update["allowed"]) is None
    assert told(gating.changed(request, decision, CELL, STATE))[0].status == "success"


@pytest.mark.parametrize(
    ("decision", "made", "args"),
    [
        (Decision(), CODE, CODE["args"]),
        (Decision(type="edit", code="y = 1"), CODE, {**CODE["args"], "code": "y = 1"}),
        (Decision(type="edit", plan=STEPS[:1]), PLAN, {"steps": STEPS[:1]}),
    ],
)
def test_what_was_edited_runs_in_place_of_what_the_model_wrote(decision, made, args):
    assert gating.edited(decision, made) == args
    assert made in (CODE, PLAN), "the call itself is not touched"


@pytest.mark.parametrize(
    ("stage", "made", "decision", "allowed"),
    [
        ("data_analysis", CODE, Decision(), {}),
        ("data_analysis", CODE, Decision(rest=True), {"code": True}),
        ("model_training", CELL, Decision(), {"models:model_training": True}),
        ("planning", PLAN, Decision(), {"scope:planning": True}),
    ],
)
def test_code_is_allowed_once_or_for_the_rest_and_a_plan_for_its_stage(stage, made, decision, allowed):
    assert gating.granted(asked(stage, made, "always"), decision) == ({"allowed": allowed} if allowed else {})


def test_what_a_person_wrote_into_the_plan_reaches_the_agent_of_that_stage():
    request = asked("planning", PLAN, "always")
    mine = [
        {**step, "detail": "Only momentum."} if step["stage"] == "model_training" else step for step in request.plan
    ]
    mine.append({"stage": "reporting", "title": "More", "detail": "Say what surprised you."})
    update = gating.granted(request, Decision(type="edit", plan=mine))
    assert update["texts"]["plan_notes"]["reporting"] == ["Say what surprised you."]
    assert update["texts"]["plan_notes"].get("model_training", ["Only momentum."]) == ["Only momentum."]
    assert gating.granted(request, Decision(type="edit", plan=request.plan))["texts"]["plan_notes"] == {}


def test_the_tool_that_asks_is_the_tool_of_free_code():
    assert free_code_tool().name == gating.FREE_CODE
