"""Words said while the agent works become changes in the words of the brief, and an answer."""

from __future__ import annotations

from typing import Any

import pytest

from omc_agent.brief import Brief
from omc_agent.llm.hearing import QUOTED, read_said

BRIEF = Brief(coins=["BTC"])
SAID: list[tuple[str, dict[str, Any]]] = [
    ("without RSI", {"indicators": ["sma", "ema", "macd", "bollinger"]}),
    ("leave out the Bollinger bands", {"indicators": ["sma", "ema", "rsi", "macd"]}),
    ("Please use only RSI and MACD", {"indicators": ["rsi", "macd"]}),
    ("use random forest", {"models": ["random_forest"], "avoid_models": []}),
    ("stop using xgboost", {"models": [], "avoid_models": ["xgboost"]}),
    ("faster", {"models": ["logistic_regression"]}),
    ("fewer models please", {"models": ["logistic_regression"]}),
    ("skip tuning", {"search": False}),
    ("only momentum", {"indicators": ["rsi", "macd"], "windows": [],
                       "drop": ["range", "spread", "hour_sin", "hour_cos"]}),
    ("without volatility", {"indicators": ["sma", "ema", "rsi", "macd"],
                            "drop": ["std_12", "std_48", "range_ratio_12", "range_ratio_48", "range"]}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "changes"), SAID, ids=[text for text, _ in SAID])
def test_what_is_said_changes_what_it_names(text, changes):
    heard = read_said(text, BRIEF, {})
    assert heard.changes == changes
    assert heard.answer([]).startswith(f"Heard: {text}: ")


def test_volatility_only_leaves_its_columns_for_the_windows_that_are_made():
    heard = read_said("volatility only", BRIEF, {"windows": [24]})
    assert (heard.changes["indicators"], heard.changes["lags"]) == (["bollinger"], [])
    assert {"mean_24", "z_24", "volume_ratio_24"} <= set(heard.changes["drop"])
    assert "std_24" not in heard.changes["drop"]


def test_a_number_is_predicted_faster_by_ridge():
    regression = Brief(coins=["BTC"], task="regression", target="return", metric="mae")
    assert read_said("quicker", regression, {}).changes == {"models": ["ridge"]}
    assert read_said("also try lasso", regression, {}).changes["models"][-1] == "lasso"


def test_what_was_said_before_is_where_it_goes_on_from():
    narrowed = BRIEF.model_copy(update={"indicators": ["rsi", "macd"]})
    assert read_said("without RSI", narrowed, {}).changes == {"indicators": ["macd"]}


@pytest.mark.parametrize("text", ["make me rich", "hello", "???", "", "😀", "why?"])
def test_what_no_rule_reads_is_said_to_be_so(text):
    heard = read_said(text, BRIEF, {})
    assert heard.changes == {}
    assert heard.answer([]) == f"Heard, but I have no rule for: {text}."


def test_what_is_not_here_is_told_with_what_is():
    answer = read_said("use lightgbm", BRIEF, {}).answer([])
    assert answer.startswith("Heard: use lightgbm. There is no lightgbm here; the algorithms are")
    assert "metric=f1" in read_said("optimise f1", BRIEF, {}).answer([])


def test_an_override_is_stronger_than_words():
    heard = read_said("without RSI, use random forest", BRIEF, {"indicators": ["rsi"]})
    assert "indicators" not in heard.changes
    assert heard.changes["models"] == ["random_forest"]
    assert "Indicators stay as you decided by an override." in heard.answer([])


def test_a_long_text_is_quoted_in_part():
    heard = read_said("use random forest " * 40, BRIEF, {})
    assert len(heard.text) == QUOTED
    assert heard.changes["models"] == ["random_forest"]
