"""A restart from every stage: a branch begins with what the run had when it first came there, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from omc_agent.branching import Turn, branched, plant, seed_of, standing
from omc_agent.brief import Brief
from omc_agent.errors import RunError
from omc_agent.events import Branched, Reason
from omc_agent.graph.edges import build_graph
from omc_agent.graph.state import STAGES
from omc_agent.llm.offline import OfflineChatModel
from omc_agent.store.checkpoints import open_checkpoints

MADE_BY = {"prices": "data_retrieval", "bars": "data_analysis", "features": "feature_engineering"}
MODEL_STAGES = ("model_training", "hyperparameter_tuning")


@pytest.fixture(scope="module")
def home(finished, tmp_path_factory):
    """A copy of the checkpoints of one whole run: others read the run too."""
    made = tmp_path_factory.mktemp("branching")
    for path in Path(finished._settings.home).glob("checkpoints.db*"):
        shutil.copy(path, made)
    return made


@pytest.fixture
async def graph(home):
    """The real graph on the checkpoints of that run."""
    async with open_checkpoints(home / "checkpoints.db") as saver:
        yield build_graph(OfflineChatModel(), saver)


def thread(branch):
    return {"configurable": {"thread_id": branch}}


def earlier(stage):
    return STAGES[: STAGES.index(stage)]


async def planted(graph, run_id, turn, branch):
    seed = await seed_of(graph, [run_id], turn)
    await plant(graph, branch, seed)
    return seed, await graph.aget_state(thread(branch))


@pytest.mark.parametrize("stage", STAGES)
async def test_a_branch_begins_at_its_stage_with_what_the_run_had_there(graph, finished, stage):
    seed, snapshot = await planted(graph, finished.id, Turn(stage, by="ann"), f"new-{stage}")
    assert snapshot.next == (stage,)
    values, end = snapshot.values, (await graph.aget_state(thread(finished.id))).values
    frames = values.get("frames", {})
    assert {name: MADE_BY[name] for name in frames if name in MADE_BY} == {
        name: by for name, by in MADE_BY.items() if by in earlier(stage)
    }
    assert {ref["stage"] for ref in frames.values()} <= set(earlier(stage))
    assert {ref["sha"] for ref in frames.values()} <= _shas_of(finished)
    assert set(values.get("candidates", {})) == {
        name for name in end["candidates"] if _maker(name) in earlier(stage)
    }  # fmt: skip
    assert set(values.get("visits", {})) <= set(earlier(stage))
    assert ("choice" in values) is (stage in ("scoring", "reporting"))
    assert ("verdict" in values) is (stage == "reporting")
    assert ("brief" in values) is (stage != "understanding")
    assert ("plan" in values) is (stage not in ("understanding", "clarification", "planning"))
    assert values["goal"] == finished.goal
    assert {_stage_of(finished, n) for n in seed.cells} <= set(earlier(stage))


def _maker(name):
    return "hyperparameter_tuning" if name.endswith("_tuned") else "model_training"


def _shas_of(finished):
    rows = finished._store.cells(finished.id)
    return {ref["sha"] if isinstance(ref, dict) else ref for row in rows for ref in row["frames"].values()}


def _stage_of(finished, number):
    return next(row["stage"] for row in finished._store.cells(finished.id) if row["n"] == number)


async def test_the_old_branch_stays_as_it_was(graph, finished):
    before = await graph.aget_state(thread(finished.id))
    await planted(graph, finished.id, Turn("model_training", {"models": ["xgboost"]}), "beside")
    after = await graph.aget_state(thread(finished.id))
    assert after == before
    assert after.next == ()


async def test_cells_of_the_stages_before_are_kept(graph, finished):
    seed = await seed_of(graph, [finished.id], Turn("model_training"))
    rows = finished._store.cells(finished.id)
    made = {row["n"] for row in rows if row["stage"] in ("data_retrieval", "data_analysis", "feature_engineering")}
    assert made
    assert made <= seed.cells
    assert not seed.cells & {row["n"] for row in rows if row["stage"] in MODEL_STAGES}


async def test_what_was_overridden_stands_in_the_brief_and_is_no_longer_assumed(graph, finished):
    turn = Turn("feature_engineering", {"horizon": "PT4H", "lags": [1, 2], "folds": 3}, "ann")
    seed = await seed_of(graph, [finished.id], turn)
    assert seed.values["brief"] == {
        **finished.brief,
        "horizon": "PT4H",
        "assumed": [name for name in finished.brief["assumed"] if name != "horizon"],
    }
    assert seed.values["overrides"] == turn.overrides
    assert (seed.values["goto"], seed.values["error"], seed.values["trouble"]) == (turn.stage, None, None)


async def test_the_first_event_of_a_branch_says_who_left_what_and_why():
    event = branched(Turn("model_training", {"models": ["ridge"]}, "ann"), "run", "run.2")
    assert (event.stage, event.new_branch, event.parent, event.overrides, event.decided_by) == (
        "model_training", "run.2", "run", {"models": ["ridge"]}, "ann",
    )  # fmt: skip
    assert event.line() == "run.2 from model_training on: models=['ridge'], by ann"


# -- branches of branches: a small history, written by hand ----------------------------------------------------------

BRIEF = Brief(coins=["BTC"], models=["ridge"], task="regression", metric="mae").model_dump()


async def walked(graph, branch, *stages, **values):
    """Let a thread come to the end of each of these stages, leaving a mark at each."""
    for stage in stages:
        update = {"goal": "g", "brief": BRIEF, "goto": None, "texts": {stage: branch}, **values}
        if stage == "model_evaluation":
            update["proposal"] = {"next": "tune", "model": "ridge"}
        await graph.aupdate_state(thread(branch), update, as_node=stage)


@pytest.fixture
def small():
    return build_graph(OfflineChatModel(), InMemorySaver())


async def marks(graph, lineage, stage):
    """Which branch left its mark at each stage before `stage`."""
    return (await seed_of(graph, lineage, Turn(stage))).values["texts"]


TO_TRAINING = ("data_analysis", "feature_engineering", "leak_test")


async def test_a_stage_that_was_never_reached_is_refused_with_those_that_were(small):
    await walked(small, "run", *TO_TRAINING)
    with pytest.raises(RunError) as refused:
        await seed_of(small, ["run"], Turn("scoring"))
    assert refused.value.code == "run.not_finished"
    assert "run has not come to scoring" in refused.value.given
    assert refused.value.have == "It came to feature_engineering, leak_test, model_training."


async def test_a_run_without_any_checkpoint_came_to_no_stage(small):
    with pytest.raises(RunError, match="no stage"):
        await seed_of(small, ["run"], Turn("planning"))


async def test_a_branch_is_left_at_a_stage_of_its_own_or_of_those_it_comes_from(small):
    await walked(small, "run", *TO_TRAINING, "model_training")
    await plant(small, "run.2", await seed_of(small, ["run"], Turn("feature_engineering")))
    await walked(small, "run.2", "feature_engineering", "leak_test", "model_training")
    lineage = ["run.2", "run"]
    assert await marks(small, lineage, "model_training") == {
        "data_analysis": "run", "feature_engineering": "run.2", "leak_test": "run.2",
    }  # fmt: skip
    assert await marks(small, lineage, "feature_engineering") == {"data_analysis": "run"}
    assert await marks(small, ["run"], "model_training") == dict.fromkeys(TO_TRAINING, "run")


async def test_what_the_parent_did_after_the_branch_left_it_is_no_past_of_the_branch(small):
    """Else a restart of the branch would go on with the candidates of the other one."""
    await walked(small, "run", *TO_TRAINING, "model_training", "model_evaluation")
    await plant(small, "run.2", await seed_of(small, ["run"], Turn("model_training")))
    with pytest.raises(RunError) as refused:
        await seed_of(small, ["run.2", "run"], Turn("hyperparameter_tuning"))
    assert refused.value.have == "It came to feature_engineering, leak_test, model_training."
    assert await marks(small, ["run"], "hyperparameter_tuning")


async def test_a_branch_of_a_branch_that_goes_back_further_than_that_one_began(small):
    await walked(small, "run", *TO_TRAINING, "model_training", "model_evaluation")
    await plant(small, "run.2", await seed_of(small, ["run"], Turn("model_training")))
    await walked(small, "run.2", "model_training", "model_evaluation")
    await plant(small, "run.3", await seed_of(small, ["run.2", "run"], Turn("feature_engineering")))
    lineage = ["run.3", "run.2", "run"]
    assert await marks(small, lineage, "feature_engineering") == {"data_analysis": "run"}
    for never in ("leak_test", "model_training", "hyperparameter_tuning"):
        with pytest.raises(RunError, match="It came to feature_engineering"):
            await seed_of(small, lineage, Turn(never))


async def test_of_several_visits_the_first_is_where_it_begins(small):
    await walked(small, "run", "data_analysis", "feature_engineering")
    await walked(small, "run", "leak_test", leaking=["x"], visits={"leak_test": 1})
    assert (await small.aget_state(thread("run"))).next == ("feature_engineering",)
    seed = await seed_of(small, ["run"], Turn("feature_engineering"))
    assert seed.values["texts"] == {"data_analysis": "run"}
    assert "leaking" not in seed.values


async def test_overrides_of_before_hold_on_a_later_branch_and_the_newest_wins(small):
    await walked(small, "run", *TO_TRAINING)
    first = Turn("feature_engineering", {"lags": [1], "metric": "f1"})
    await plant(small, "run.2", await seed_of(small, ["run"], first))
    seed = await seed_of(small, ["run.2", "run"], Turn("feature_engineering", {"lags": [2], "models": ["xgboost"]}))
    assert seed.values["overrides"] == {"lags": [2], "metric": "f1", "models": ["xgboost"]}
    assert (seed.values["brief"]["metric"], seed.values["brief"]["models"]) == ("f1", ["xgboost"])


def test_what_a_later_branch_did_again_does_not_stand():
    told = [
        Reason(stage="data_analysis", text="look"),
        Reason(stage="model_training", text="forest"),
        Branched(stage="model_training", new_branch="run.2", parent="run"),
        Reason(stage="model_training", text="ridge"),
    ]
    assert [event.text for event in standing(told) if isinstance(event, Reason)] == ["look", "ridge"]
