"""The choice: who is asked, what is shown for and against, and what each answer does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from omc_agent.brief import Brief
from omc_agent.config import Gates
from omc_agent.graph.choosing import options_for, selection
from omc_agent.graph.gates import default_of
from omc_agent.request import Decision


class Asked:
    """A run context that writes down what it is told and asked, and gives one answer."""

    def __init__(self, approve="always", decision=None, pending=None):
        self.gates, self.decision, self._pending = Gates(approve), decision, pending or {}
        self.events, self.asked = [], []

    async def emit(self, event, key):
        self.events.append(event)

    async def ask(self, request, key):
        self.asked.append((request, key))
        return self.decision or default_of(request)

    def pending(self):
        return self._pending


def candidate(name, score, baseline=False, **more):
    return {"name": name, "model": name, "params": {"n": 1}, "metric": "roc_auc", "score": score, "low": score - 0.01,
            "high": score + 0.01, "baseline": baseline, "oof": f"{name}_oof", "folds": [score], "trials": 1,
            "fit_seconds": 0.1, **more}  # fmt: skip


def state_of(*, apart, **more):
    made = [
        candidate("logistic_regression", 0.5 if apart else 0.6),
        candidate("xgboost", 0.6, fit_seconds=0.5),
        candidate("last", 0.5, baseline=True),
    ]
    brief = Brief(coins=["BTC"], models=["logistic_regression", "xgboost"]).model_dump()
    return {"candidates": {each["name"]: each for each in made}, "visits": {"selection": 1}, "brief": brief, **more}


async def chosen(context, state):
    return await selection(state, SimpleNamespace(context=context))


@pytest.mark.parametrize(
    ("approve", "apart", "asked"),
    [("never", False, 0), ("never", True, 0), ("risky", False, 1), ("risky", True, 0), ("always", False, 1),
     ("always", True, 1)],
)  # fmt: skip
async def test_a_person_chooses_under_always_and_within_noise_under_risky(approve, apart, asked):
    context = Asked(approve)
    update = await chosen(context, state_of(apart=apart))
    assert len(context.asked) == asked
    assert update["choice"]["name"] == ("xgboost" if apart else "logistic_regression")


async def test_candidates_are_shown_side_by_side_with_the_recommended_one_first():
    context = Asked()
    await chosen(context, state_of(apart=False))
    ((request, key),) = context.asked
    assert (request.gate, request.stage, key) == ("selection", "selection", "selection:2")
    assert [option.value for option in request.options] == ["logistic_regression", "xgboost"]
    assert [option.note for option in request.options] == ["recommended", ""]
    assert request.default == "logistic_regression"
    assert [shown["name"] for shown in request.candidates] == ["logistic_regression", "xgboost", "last"]
    assert "oof" not in request.candidates[0]
    assert request.changes == {"models": ["logistic_regression", "xgboost"], "metric": "roc_auc"}
    assert "holdout" in request.effect


PROS = [
    ([candidate("ridge", 0.5)], ["its coefficients can be read", "fastest to fit (0.1 s)"], []),
    (
        [candidate("xgboost", 0.6, fit_seconds=0.9, trials=8), candidate("ridge", 0.5, fit_seconds=0.1)],
        ["best score on the development rows"],
        ["many trees: only importances can be read", "best of 8 trials, so its score is flattered",
         "9 times as long to fit"],
    ),
    (
        [candidate("xgboost", 0.2, metric="mae"), candidate("lasso", 0.3, metric="mae")],
        ["best score on the development rows", "fastest to fit (0.1 s)"],
        ["many trees: only importances can be read"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("models", "pros", "cons"), PROS, ids=["alone", "tuned and slow", "smaller is better"])
def test_pros_and_cons_are_read_off_the_figures(models, pros, cons):
    (first,) = [option for option in options_for(models, "") if option.value == models[0]["name"]]
    assert (first.pros, first.cons) == (pros, cons)


async def test_the_choice_of_a_person_goes_before_the_recommendation_and_is_told_beside_it():
    context = Asked(decision=Decision(value="xgboost"))
    update = await chosen(context, state_of(apart=False))
    assert update["choice"]["name"] == "xgboost"
    assert update["choice"]["recommended"] == "logistic_regression"
    assert update["choice"]["why"] == "Chosen by a person."
    assert update["choice"]["oof"] == "xgboost_oof"
    (made,) = [event for event in context.events if event.kind == "choice_made"]
    assert (made.name, made.recommended) == ("xgboost", "logistic_regression")
    assert update["visits"] == {"selection": 2}
    assert update["goto"] is None


@pytest.mark.parametrize("value", ["last", "nobody", None, ""])
async def test_a_baseline_or_an_unknown_name_cannot_be_chosen(value):
    update = await chosen(Asked(decision=Decision(value=value)), state_of(apart=True))
    assert update["choice"]["name"] == "xgboost"


async def test_retrain_goes_back_to_training_with_the_new_brief():
    changes = {"models": ["random_forest"], "metric": "f1", "random_forest.max_depth": 4}
    context = Asked(decision=Decision(type="edit", value=changes))
    update = await chosen(context, state_of(apart=False))
    assert update["goto"] == "model_training"
    assert (update["brief"]["models"], update["brief"]["metric"]) == (["random_forest"], "f1")
    assert update["brief"]["coins"] == ["BTC"]
    assert update["overrides"] == {**changes, "choice": ""}  # an older choice of theirs is not taken unasked
    assert "choice" not in update
    assert [event.status for event in context.events if event.kind == "stage_finished"] == ["back"]


@pytest.mark.parametrize(("why", "said"), [("no edge in sight", ": no edge in sight."), ("", "the choice.")])
async def test_stop_ends_the_run_before_the_holdout_is_opened(why, said):
    update = await chosen(Asked(decision=Decision(type="reject", why=why)), state_of(apart=False))
    assert update["error"]["code"] == "run.rejected"
    assert update["error"]["given"].endswith(said)
    assert "not opened" in update["error"]["have"]
    assert "choice" not in update


@pytest.mark.parametrize("where", ["state", "pending"])
async def test_a_choice_that_was_overridden_is_taken_unasked(where):
    override = {"choice": "xgboost"}
    context = Asked(pending=override if where == "pending" else None)
    update = await chosen(context, state_of(apart=False, **({"overrides": override} if where == "state" else {})))
    assert context.asked == []
    assert update["choice"]["name"] == "xgboost"


@pytest.mark.parametrize("name", ["last", "nobody"])
async def test_an_override_to_a_baseline_or_an_unknown_name_asks_all_the_same(name):
    context = Asked()
    update = await chosen(context, state_of(apart=False, overrides={"choice": name}))
    assert len(context.asked) == 1
    assert update["choice"]["name"] == "logistic_regression"
