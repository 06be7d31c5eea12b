"""Questions about a run are told from goals, and answered in the words of its record or not at all."""

from __future__ import annotations

import pytest

from omc_agent.llm.questions_about import MOST, answer_from_record, is_question
from tests.llm.goals import GOALS

RECORD = [
    ("brief_read", "understanding", "Direction of BTC, one hour ahead"),
    ("reason", "understanding", "Read as: Direction of BTC, one hour ahead. Assumed: metric, start, end."),
    ("plan_made", "planning", "Data > Analysis > Features > Leak test > Training > Evaluation > Choice > Report"),
    ("act", "data_retrieval", "fetch_price_data(coins=['BTC'], start='2024-06-03T00:00:00+00:00')"),
    ("warned", "data_retrieval", "gaps: BTC: 12 gaps, 340 bars missing; windows and labels that span a gap are out."),
    ("holdout_sealed", "data_retrieval", "sealed 5184 rows from 2024-08-14T00:00:00+00:00"),
    ("observe", "data_retrieval", '{"cell": 2, "status": "ok", "frames": {"prices": {"rows": 20736}}}'),
    ("said", "data_analysis", "without RSI, it never helped"),
    ("reason", "data_analysis", "Heard: without RSI, it never helped: indicators sma, ema, macd, bollinger. Clean."),
    ("act", "feature_engineering", "create_features(prices='bars', lags=[1, 3, 12], indicators=['sma', 'ema'])"),
    ("leak_tested", "leak_test", "leak test (development), 6 cuts, 26 columns: smooth_24"),
    ("reason", "feature_engineering", "Drop what the leak test named: smooth_24."),
    ("leak_tested", "leak_test", "leak test (development), 6 cuts, 25 columns: clean"),
    ("candidate_scored", "model_training", "logistic_regression: 0.5312 [0.5101, 0.5520]"),
    ("candidate_scored", "model_training", "xgboost: 0.5330 [0.5120, 0.5544]"),
    ("request_decided", "selection", "selection: logistic_regression by ana. It is simpler"),
    ("choice_made", "selection", "logistic_regression: the simplest within noise of the best, xgboost"),
    (
        "verdict_called",
        "scoring",
        "No edge found. The choice scored 0.5041, the naive rule 0.5010.",
    ),
    ("branched", "model_training", "calm-fox.2 from model_training on: trials=16, by ana"),
]
EVENTS = [{"kind": kind, "stage": stage, "content": content} for kind, stage, content in RECORD]


@pytest.mark.parametrize(
    ("question", "quoted", "not_quoted"),
    [
        ("why was RSI dropped?", '- data analysis: "without RSI, it never helped"', "gaps"),
        ("what did the leak test find?", "26 columns: smooth_24", "xgboost"),
        ("which model won and why?", "the simplest within noise of the best", "smooth"),
        ("how many rows were used?", "sealed 5184 rows", "simplest"),
        ("what was the verdict?", "No edge found", "gaps"),
        ("why was smooth_24 dropped?", "Drop what the leak test named: smooth_24.", "RSI"),
        ("were there gaps in the data?", "340 bars missing", "edge"),
        ("who decided on logistic regression?", "by ana", "gaps"),
        ("how did xgboost score?", "xgboost: 0.5330", "gaps"),
    ],
)
def test_the_lines_that_answer_are_quoted_with_their_stage(question, quoted, not_quoted):
    assert is_question(question)
    answer = answer_from_record(question, EVENTS)
    assert answer.startswith("The record says:\n- ")
    assert quoted in answer
    assert not_quoted not in answer
    assert len(answer.splitlines()) <= MOST + 1
    assert answer == answer_from_record(question, EVENTS)


NOT_THERE = ["why was the moon dropped?", "did it use lightgbm?", "what was the weather?", "why?"]


@pytest.mark.parametrize("question", NOT_THERE)
def test_what_the_record_does_not_hold_is_said_plainly(question):
    assert answer_from_record(question, EVENTS).startswith(f"The record of this run holds no answer to: {question}")
    assert "no answer" in answer_from_record("which model won?", [])


NO_QUESTIONS = [*(goal for goal, _ in GOALS), "now for ETH", "without RSI", "", "use ridge instead"]


@pytest.mark.parametrize("goal", NO_QUESTIONS)
def test_a_goal_is_no_question_about_a_run(goal):
    assert not is_question(goal)


def test_a_long_line_is_quoted_in_part_and_the_same_line_once():
    events = [{"kind": "warned", "stage": "x", "content": "gaps " * 300}] * 3
    (_, line) = answer_from_record("were there gaps?", events).splitlines()
    assert len(line) < 320
