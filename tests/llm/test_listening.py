"""What was said changes the next moves; moves that were made stay; it is answered once."""

from __future__ import annotations

import json

from langchain_core.messages import HumanMessage, ToolMessage

from omc_agent.agents.model_trainer import ModelTrainingAgent
from omc_agent.llm.offline import OfflineChatModel
from omc_agent.llm.playbook import next_move
from omc_agent.llm.situation import Situation
from tests.llm.test_playbook import PRICES, TOOLS, result


def following(stage, facts, said=(), results=(), **more):
    """All moves that a stage still makes, each of which succeeds."""
    results, answers, made = list(results), [], []
    while True:
        move = next_move(TOOLS[stage], Situation(facts, list(results), list(said), answers=list(answers), **more))
        answers.append(move.reason)
        if not move.tool:
            return made, answers
        made.append((move.tool, move.args))
        results.append(result(move.tool, move.args))
        assert len(made) < 30


def test_momentum_only_is_made_in_the_stages_that_follow():
    said = ["only momentum"]
    made, answers = following("data_analysis", PRICES, said)
    assert made[1][1]["indicators"] == ["rsi", "macd"]
    assert answers[0].startswith("Heard: only momentum: indicators rsi, macd; lags only.")
    assert sum("Heard" in text for text in answers) == 1
    made, _ = following("feature_engineering", PRICES, said)
    assert made[0] == (
        "create_features",
        {"prices": "bars", "lags": [1, 3, 12], "windows": [], "indicators": ["rsi", "macd"]},
    )
    assert made[1][0] == "drop_columns"


def test_models_left_to_score_change_and_those_that_are_scored_stay():
    scored = [
        result("cross_validate_model", {"model": name}) for name in ("constant", "last", "reversal", "seasonal")
    ]
    scored.append(result("cross_validate_model", {"model": "logistic_regression"}))
    made, _ = following("model_training", PRICES, ["use random forest"], scored)
    assert [args["model"] for _, args in made] == ["random_forest"]
    made, answers = following("model_training", PRICES, ["without logistic regression and xgboost"], scored)
    assert [args["model"] for _, args in made] == ["random_forest", "gradient_boosting"]
    assert "Logistic regression is scored already and stays." in answers[0]
    made, _ = following("model_training", PRICES, ["faster"], scored)
    assert made == []


def test_features_that_are_made_lose_columns_instead_of_being_made_again():
    columns = ["coin", "ret_1", "std_12", "rsi_14_share", "close_sma_20", "target"]
    done = [result("create_features", {"prices": "bars"}, frames={"features": {"columns": columns}})]
    made, _ = following("feature_engineering", PRICES, ["without RSI"], done)
    assert made == [("drop_columns", {"features": "features", "columns": ["rsi_14_share"]})]


def test_what_comes_too_late_is_told_with_the_way_to_change_it():
    facts = {**PRICES, "frames": {"features": {"columns": ["ret_1", "rsi_14_share"]}}}
    _, answers = following("model_training", facts, ["without RSI"])
    assert "%agent restart ID --from feature_engineering indicators=sma,ema,macd,bollinger" in answers[0]
    clean = {**PRICES, "frames": {"features": {"columns": ["ret_1", "macd_close"]}}}
    _, answers = following("model_training", clean, ["without RSI"])
    assert "restart" not in answers[0]


def test_training_that_is_over_is_told():
    candidate = {"name": "x", "model": "xgboost", "params": {}, "metric": "roc_auc", "score": 0.5, "baseline": False}
    made, answers = following(
        "model_evaluation",
        {**PRICES, "candidates": [candidate], "rounds_left": 1},
        ["use random forest", "no tuning"],
    )
    assert "--from model_training models=random_forest" in answers[0]
    assert made[-1][1]["next"] == "select"


def test_what_an_earlier_stage_answered_is_followed_in_silence():
    made, answers = following("model_training", PRICES, ["use random forest"], heard=1)
    assert made[-1][1]["model"] == "random_forest"
    assert not any("Heard" in text for text in answers)


def test_each_text_is_answered_and_the_later_one_wins():
    made, answers = following("model_training", PRICES, ["use random forest", "blah", "use xgboost"])
    assert made[-1][1]["model"] == "xgboost"
    assert "Heard, but I have no rule for: blah." in answers[0]


def test_without_a_brief_nothing_can_change_yet():
    made, answers = following("understanding", {"goal": "Predict BTC direction", "market": {}}, ["use xgboost"])
    assert made[0][1]["models"] == []
    assert answers[0].startswith("Heard: use xgboost")


def said_message(*texts, **more):
    block = json.dumps({"said": list(texts), **more})
    return HumanMessage(f"The person said, while you work:\n```json\n{block}\n```")


def test_the_chat_model_finds_it_in_the_messages_and_answers_alike_each_time():
    opening = HumanMessage(f"Do it.\n```json\n{json.dumps(PRICES)}\n```")
    bound = OfflineChatModel().bind_tools(list(ModelTrainingAgent().tools()))
    first = bound.invoke([opening])
    answered = ToolMessage("{}", tool_call_id=first.tool_calls[0]["id"])
    messages = [opening, first, answered, said_message("use xgboost")]
    second = bound.invoke(messages)
    assert second.text.startswith("Heard: use xgboost: models XGBoost. ")
    assert second.tool_calls[0]["args"]["model"] == "last"
    assert bound.invoke(messages).text == second.text
    third = bound.invoke([*messages[:3], second, ToolMessage("{}", tool_call_id=second.tool_calls[0]["id"]),
                          messages[3]])  # fmt: skip
    assert "Heard" not in third.text
    silent = bound.invoke([opening, said_message("use xgboost", heard=1)])
    assert "Heard" not in silent.text


def test_a_child_that_died_is_tried_again_before_anything_is_answered():
    lost = {**result("create_features", {"prices": "bars"}), "ok": False, "status": "killed",
            "reason": "The child kernel died. The child kernel was replaced"}  # fmt: skip
    move = next_move(TOOLS["feature_engineering"], Situation(PRICES, [lost], ["without RSI"]))
    assert (move.tool, move.args) == ("create_features", {"prices": "bars"})
