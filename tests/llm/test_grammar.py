"""English goals and the briefs they are read into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.brief import Brief
from omc_agent.errors import GoalError
from omc_agent.llm.grammar import Reading, nearest, read_goal

ROWS = {"BTC": 105_000, "ETH": 104_000, "LTC": 90_000, "XRP": 80_000, "DOGE": 70_000, "SOL": 60_000, "AVAX": 50_000}
MARKET: dict[str, Any] = {
    "table": "price_data_5min",
    "bar_minutes": 5,
    "columns": ["coin_type", "timestamp", "last", "volume"],
    "newest": "2024-09-06T04:40:00+00:00",
    "coins": {
        coin: {"rows": rows, "start": "2023-09-06T04:45:00+00:00", "end": "2024-09-06T04:40:00+00:00"}
        for coin, rows in ROWS.items()
    },
}
CUSTOMERS: dict[str, Any] = {
    "table": "customers",
    "bar_minutes": None,
    "columns": ["customer_id", "age", "monthly charges", "income", "churn"],
    "coins": {},
    "newest": None,
}
CLASSES: dict[str, Any] = {"task": "classification", "target": "direction", "metric": "roc_auc"}
NUMBERS: dict[str, Any] = {"task": "regression", "metric": "mae"}
LOOKS: dict[str, Any] = {"task": "analysis"}
TREES = ["random_forest", "gradient_boosting", "xgboost"]


def goes(*coins: str, horizon: str = "PT1H", **fields: Any) -> dict[str, Any]:
    return {**CLASSES, "coins": list(coins), "horizon": horizon, **fields}


GOALS: list[tuple[str, dict[str, Any]]] = [
    # direction
    (
        "Predict whether BTC rises over the next hour, using the last 90 days",
        goes("BTC", assumed=["metric"], unread=[]),
    ),
    ("Predict whether ETH goes up over the next 30 minutes", goes("ETH", horizon="PT30M", unread=[])),
    ("Will bitcoin be higher tomorrow?", goes("BTC", horizon="P1D", unread=[])),
    ("direction of AVAX, 4h", goes("AVAX", horizon="PT4H", unread=[])),
    ("PREDICT WHETHER BTC RISES OVER THE NEXT HOUR!!!", goes("BTC", unknown=[], unread=[])),
    ("predict wether btc rises, 24-hour horizon...", goes("BTC", horizon="P1D", unread=["wether"])),
    ("24–hour direction of Bitcoin’s price", goes("BTC", horizon="P1D", unread=[])),
    ("Will BTC rise in 5 min", goes("BTC", horizon="PT5M")),
    ("Will BTC rise in half an hour", goes("BTC", horizon="PT30M")),
    ("Will BTC rise within a fortnight", goes("BTC", horizon="P14D")),
    ("Will BTC rise this week?", goes("BTC", horizon="P7D")),
    ("$BTC up or down next hour?", goes("BTC", unread=[])),
    ("will btcusdt go up in 4 hours", goes("BTC", horizon="PT4H")),
    ("Predict BTC/USDT direction", goes("BTC", unread=[])),
    ("hourly direction of ethereum", goes("ETH")),
    ("Predict the direction of BTC one day ahead", goes("BTC", horizon="P1D")),
    ("What is the probability that BTC rises in 2h", goes("BTC", horizon="PT2H", unread=[])),
    ("classify BTC as up or down over 1 hr", goes("BTC", unread=[])),
    ("Which way will LTC move in the next 10 minutes?", goes("LTC", horizon="PT10M")),
    ("Find out whether the close of ETH will be higher in twelve hours", goes("ETH", horizon="PT12H", unread=[])),
    ("analyse BTC and predict whether it rises", goes("BTC", unread=[])),
    ("Will the return of BTC be positive tomorrow", goes("BTC", horizon="P1D", unread=[])),
    ("Predict the sign of the return of BTC", goes("BTC", unread=[])),
    ("Predict BTC's next move, 15-minute", goes("BTC", horizon="PT15M")),
    ("Predict whether BTC does not fall", goes("BTC", unread=["not"])),
    # threshold
    (
        "Predict when Bitcoin will rise by 2% within a day",
        goes("BTC", horizon="P1D", target="threshold", threshold=0.02),
    ),
    (
        "Predict when ETH falls by 3 % in the next 6 hours",
        goes("ETH", horizon="PT6H", target="threshold", threshold=-0.03),
    ),
    ("Will SOL drop 1.5 percent in 2 hours", goes("SOL", horizon="PT2H", target="threshold", threshold=-0.015)),
    ("predict btc drop of 250bps in 2 days", goes("BTC", horizon="P2D", target="threshold", threshold=-0.025)),
    (
        "Will BTC gain at least five per cent in a week",
        goes("BTC", horizon="P7D", target="threshold", threshold=0.05),
    ),
    (
        "Predict whether BTC will be 2% higher in 12 hours",
        goes("BTC", horizon="PT12H", target="threshold", threshold=0.02),
    ),
    ("Predict a 3% rise of LTC", goes("LTC", target="threshold", threshold=0.03, unread=[])),
    ("will BTC's return exceed 1% within 4h", goes("BTC", horizon="PT4H", target="threshold", threshold=0.01)),
    ("Predict BTC direction with 95% confidence", goes("BTC", threshold=None, unread=["95", "confidence"])),
    ("Will BTC rise by 0%", goes("BTC", threshold=None, unread=[])),
    ("Will BTC fall by 150%", goes("BTC", threshold=None, unread=["150"])),
    ("Predict whether BTC rises by $500", goes("BTC", threshold=None, unread=["500"])),
    # numbers
    ("Predict Bitcoin price", {**NUMBERS, "target": "price", "coins": ["BTC"], "horizon": "PT1H"}),
    (
        "What will be the price of litecoin in 3 days?",
        {**NUMBERS, "target": "price", "coins": ["LTC"], "horizon": "P3D"},
    ),
    ("How much will BTC rise in the next 3 hours?", {**NUMBERS, "target": "return", "horizon": "PT3H", "unread": []}),
    ("Predict BTC with ridge", {**NUMBERS, "target": "return", "models": ["ridge"]}),
    ("Predict the BTC return by RMSE", {"task": "regression", "target": "return", "metric": "rmse", "unread": []}),
    (
        "Forecast the 1-hour return of LTC and XRP since 2024-03-01 with a random forest and xgboost, compare them",
        {
            **NUMBERS,
            "target": "return",
            "coins": ["LTC", "XRP"],
            "horizon": "PT1H",
            "models": ["random_forest", "xgboost"],
            "start": "2024-03-01T00:00:00+00:00",
            "end": "2024-09-06T04:45:00+00:00",
            "assumed": ["metric"],
            "unread": [],
        },
    ),
    # volatility
    (
        "Is SOL volatility going to be high in the next 2 hours?",
        goes("SOL", target="volatility", horizon="PT2H", unread=[]),
    ),
    ("forecast the level of ETH volatility", {**NUMBERS, "target": "volatility", "coins": ["ETH"], "unread": []}),
    ("How volatile will ETH be tomorrow", {**NUMBERS, "target": "volatility", "horizon": "P1D", "unread": []}),
    ("Predict volatility of SOL", goes("SOL", target="volatility")),
    # looking only
    (
        "Explore DOGE volatility between 1 June and 15 July 2024",
        {
            **LOOKS,
            "target": "volatility",
            "coins": ["DOGE"],
            "start": "2024-06-01T00:00:00+00:00",
            "end": "2024-07-16T00:00:00+00:00",
            "unread": [],
        },
    ),
    ("analyze btc", {**LOOKS, "coins": ["BTC"]}),
    ("Summarise the last 30 days of ETH", {**LOOKS, "coins": ["ETH"], "start": "2024-08-07T04:45:00+00:00"}),
    ("Describe XRP, 30 days", {**LOOKS, "coins": ["XRP"], "start": "2024-08-07T04:45:00+00:00"}),
    ("Compare BTC and ETH in July 2024", {**LOOKS, "coins": ["BTC", "ETH"], "start": "2024-07-01T00:00:00+00:00"}),
    ("Explore BTC weekend effects", {**LOOKS, "unread": ["weekend", "effects"]}),
    # coins
    ("BTC, ETH and SOL direction over 15 minutes", goes("BTC", "ETH", "SOL", horizon="PT15M")),
    ("Predict the direction of all coins", goes(*ROWS, unread=[])),
    ("Predict the direction of all coins except DOGE and SOL", goes("BTC", "ETH", "LTC", "XRP", "AVAX", unread=[])),
    ("Predict whether BTC rises but not ETH", goes("BTC", unread=[])),
    ("Predict FOOCOIN", goes("FOOCOIN", unknown=["FOOCOIN"], unread=[])),
    ("predict foocoin direction", goes("FOOCOIN", unknown=["FOOCOIN"], unread=[])),
    ("Predict BTC and FOO direction", goes("BTC", "FOO", unknown=["FOO"], unread=[])),
    ("Predict NEAR direction", goes("NEAR", unknown=["NEAR"], unread=[])),
    ("predict whether near rises", goes("NEAR", unknown=["NEAR"], unread=[])),
    ("Predict the direction of btc, one hour, near noon", goes("BTC", unknown=[], unread=["near", "noon"])),
    ("Predict whether ripple, dogecoin and solana rise", goes("XRP", "DOGE", "SOL")),
    ("Predict bitcion direction", goes("BTC", unread=[])),
    ("Predict BTC direction using CPI and NLP", goes("BTC", unknown=[], unread=["CPI", "NLP"])),
    # algorithms
    ("Predict BTC direction without xgboost", goes("BTC", models=[], avoid_models=["xgboost"], unread=[])),
    ("Predict BTC direction, no trees", goes("BTC", models=[], avoid_models=TREES, unread=[])),
    (
        "Predict BTC direction, no trees, logistic regression",
        goes("BTC", models=["logistic_regression"], avoid_models=TREES),
    ),
    ("Predict BTC direction, don't use neural networks", goes("BTC", models=[], unread=["neural", "networks"])),
    ("Predict BTC direction with LightGBM or xgboost", goes("BTC", models=["xgboost"], unread=["LightGBM"])),
    ("Predict BTC direction with GBM", goes("BTC", models=["gradient_boosting"], unread=[])),
    ("Predict BTC direction with a simple model", goes("BTC", models=["logistic_regression"], unread=[])),
    ("Forecast the BTC return with an interpretable model", {**NUMBERS, "models": ["linear"], "unread": []}),
    ("Predict BTC return with ridge and lasso", {**NUMBERS, "models": ["ridge", "lasso"], "unread": []}),
    ("Predict BTC direction with linear regression", goes("BTC", models=["logistic_regression"], unread=[])),
    ("Predict BTC direction using anything but xgboost", goes("BTC", models=[], avoid_models=["xgboost"])),
    ("don't use xgboost: predict BTC direction", goes("BTC", avoid_models=["xgboost"], unread=[])),
    ("Predict BTC direction with all models", goes("BTC", models=["logistic_regression", *TREES])),
    ("Compare random forest and xgboost on BTC direction", goes("BTC", models=["random_forest", "xgboost"])),
    (
        "Predict BTC direction with xgboost but not with logit",
        goes("BTC", models=["xgboost"], avoid_models=["logistic_regression"]),
    ),
    # indicators
    ("Predict BTC direction using RSI and MACD", goes("BTC", indicators=["rsi", "macd"], unread=[])),
    ("Predict BTC direction with only Bollinger bands", goes("BTC", indicators=["bollinger"], unread=[])),
    ("Predict BTC direction without RSI", goes("BTC", indicators=["sma", "ema", "macd", "bollinger"], unread=[])),
    ("Predict BTC direction without RSI, MACD and EMA", goes("BTC", indicators=["sma", "bollinger"], unread=[])),
    (
        "Predict BTC direction with technical indicators",
        goes("BTC", indicators=["sma", "ema", "rsi", "macd", "bollinger"]),
    ),
    (
        "Predict BTC direction with RSI(14) and 20-day SMA",
        goes("BTC", indicators=["rsi", "sma"], unread=["14", "20", "day"]),
    ),
    ("Predict BTC direction with VWAP and RSI", goes("BTC", indicators=["rsi"], unknown=[], unread=["VWAP"])),
    # metric
    ("Predict BTC direction, optimise F1", goes("BTC", metric="f1", unread=[])),
    ("Predict BTC direction with the best accuracy", goes("BTC", metric="accuracy", unread=[])),
    ("Predict BTC direction, AUC", goes("BTC", metric="roc_auc", unread=[])),
    ("Predict BTC direction by Brier score", goes("BTC", metric="brier", unread=[])),
    ("Predict BTC direction, accuracy and recall", goes("BTC", metric="accuracy", unread=["recall"])),
    ("Predict BTC direction by Sharpe ratio", goes("BTC", metric="roc_auc", unread=["Sharpe", "ratio"])),
    # times that look alike
    ("Predict BTC direction 1h, 90 days", goes("BTC", start="2024-06-08T04:45:00+00:00", assumed=["metric"])),
    (
        "direction of ETH for the next 3 hours from the past 2 weeks",
        goes("ETH", horizon="PT3H", start="2024-08-23T04:45:00+00:00"),
    ),
    (
        "Predict BTC direction over the next day since March",
        goes("BTC", horizon="P1D", start="2024-03-01T00:00:00+00:00"),
    ),
    ("Predict whether BTC rises using 5-minute candles", goes("BTC", unread=[])),
    ("Predict whether BTC rises using hourly data", goes("BTC", unread=["hourly"])),
    ("Predict whether BTC rises on 01/06/2024", goes("BTC", unread=["01/06/2024"])),
    (
        "Predict whether BTC rises in 7 minutes",
        goes("BTC", horizon="PT10M", assumed=["metric", "start", "end", "horizon"]),
    ),
    # what cannot be served
    ("Predict whether BTC rises using tweets", goes("BTC", unread=["tweets"])),
    (
        "Predict BTC direction with volume and order book imbalance",
        goes("BTC", unread=["volume", "order", "book", "imbalance"]),
    ),
    ("can you please tell me if dogecoin will go to the moon", goes("DOGE", unread=["moon"])),
    ("Predict BTC direction using volatility", goes("BTC", unread=["volatility"])),
    ("Predict BTC direction using past prices and returns", goes("BTC", unread=[])),
]


def seen(reading: Reading) -> dict[str, Any]:
    return {**reading.brief.model_dump(), "unknown": reading.unknown_coins}


@pytest.mark.parametrize(("goal", "wanted"), GOALS, ids=[goal for goal, _ in GOALS])
def test_a_goal_is_read(goal: str, wanted: dict[str, Any]) -> None:
    fields = seen(read_goal(goal, MARKET))
    assert {name: fields[name] for name in wanted} == wanted


def test_there_are_enough_goals() -> None:
    assert len(GOALS) >= 80


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        ("Predict churn from the table customers", {"target": "churn", "task": "classification", "coins": []}),
        ("classify churn", {"target": "churn", "assumed": ["metric", "horizon"], "unread": []}),
        ("predict column churn using age", {"target": "churn", "unread": ["age"]}),
        ("regress income on age", {"target": "income", "task": "regression", "metric": "mae"}),
        ("Predict monthly charges, by RMSE", {"target": "monthly charges", "task": "regression", "metric": "rmse"}),
        ("How much is the income", {"target": "income", "task": "regression"}),
        ("Explore the customers table", {"task": "analysis", "table": "customers", "unread": []}),
        ("predict churned people", {"target": "churn", "unread": ["churned", "people"]}),
        ("predict churn without trees", {"target": "churn", "avoid_models": TREES}),
    ],
)
def test_a_table_without_time_is_read(goal: str, wanted: dict[str, Any]) -> None:
    reading = read_goal(goal, CUSTOMERS)
    fields = seen(reading)
    assert {name: fields[name] for name in wanted} == wanted
    assert (reading.brief.start, reading.brief.end, reading.span, reading.span_days) == (None, None, None, None)


def test_a_target_or_table_given_beside_the_goal_wins() -> None:
    reading = read_goal("Predict what happens in the table cars", table="titanic", target="survived")
    assert (reading.brief.table, reading.brief.target) == ("titanic", "survived")
    assert reading.notes[0] == "The goal names the table cars; titanic was given beside it, and is taken."
    assert read_goal("Predict BTC", MARKET, target="volatility").brief.target == "volatility"
    assert read_goal("Predict BTC", MARKET, target="threshold").brief.threshold == 0.01
    assert read_goal("Predict y", target="y").brief.unread == []


def test_a_named_column_needs_no_market_next_to_its_table() -> None:
    brief = read_goal("Predict churn from the table customers").brief
    assert (brief.target, brief.table, brief.coins) == ("churn", "customers", [])
    assert read_goal("predict column y").brief.target == "y"


@pytest.mark.parametrize("goal", ["", "   \n", "?!", "...", "123 %", "\u200b"])
def test_a_goal_without_words_is_empty(goal: str) -> None:
    with pytest.raises(GoalError) as caught:
        read_goal(goal, MARKET)
    assert caught.value.code == "goal.empty"


@pytest.mark.parametrize("goal", ["hello there", "tomorrow", "xgboost", "in 2023", "Guten Morgen", "tell me a joke"])
def test_a_goal_without_coin_target_and_task_is_unread(goal: str) -> None:
    with pytest.raises(GoalError) as caught:
        read_goal(goal, MARKET)
    assert caught.value.code == "goal.unread"


def test_what_is_to_be_predicted_is_never_swapped_for_a_coin() -> None:
    with pytest.raises(GoalError, match="'weather' is no coin"):
        read_goal("Predict the weather in Paris", MARKET)


def test_every_default_is_listed_and_the_default_span_counts_back() -> None:
    reading = read_goal("Predict Bitcoin price", MARKET)
    assert reading.brief.assumed == ["metric", "start", "end", "horizon"]
    assert (reading.brief.start, reading.brief.end) == ("2024-06-08T04:45:00+00:00", "2024-09-06T04:45:00+00:00")
    note = "No span is named; the last 90 days counts back from the newest bar, 2024-09-06 04:40 UTC."
    assert note in reading.notes
    said = read_goal("Predict Bitcoin price, using the last 90 days", MARKET)
    assert "the last 90 days counts back from the newest bar, 2024-09-06 04:40 UTC." in said.notes


def test_without_a_market_the_span_waits_for_one() -> None:
    reading = read_goal("Predict whether BTC rises, using the last 30 days")
    assert (reading.brief.start, reading.brief.end, reading.span_days) == (None, None, 30)
    assert reading.span is not None
    assert reading.span.resolve(MARKET) == ("2024-08-07T04:45:00+00:00", "2024-09-06T04:45:00+00:00")
    assert read_goal("Predict whether BTC rises", {}) == read_goal("Predict whether BTC rises")


def test_the_span_starts_with_the_coins_of_the_goal() -> None:
    coins = {**MARKET["coins"], "SOL": {"rows": 5, "start": "2024-02-01T00:00:00+00:00", "end": MARKET["newest"]}}
    reading = read_goal("Explore SOL before 2024-06-01", {**MARKET, "coins": coins})
    assert reading.brief.start == "2024-02-01T00:00:00+00:00"
    notes = read_goal("Explore SOL in 2024", {**MARKET, "coins": coins}).notes
    assert "The bars begin only at 2024-02-01 00:00 UTC." in notes
    assert "The newest bar is of 2024-09-06 04:40 UTC, before the span ends." in notes


def test_a_complete_goal_asks_nothing() -> None:
    assert read_goal("Predict whether BTC rises over the next hour, using the last 90 days", MARKET).questions == []


def test_no_coin_is_asked_for_unless_there_is_only_one() -> None:
    reading = read_goal("Predict whether the price rises", MARKET)
    question = reading.questions[0]
    assert (question.field, question.default, reading.brief.coins) == ("coins", "BTC", ["BTC"])
    assert question.options == ["BTC", "ETH", "LTC", "XRP", ", ".join(ROWS)]
    assert "coins" in reading.brief.assumed
    without = {coin: fact for coin, fact in MARKET["coins"].items() if coin != "BTC"}
    assert read_goal("Predict whether the price rises", {**MARKET, "coins": without}).brief.coins == ["ETH"]
    alone = read_goal("Predict whether the price rises", {**MARKET, "coins": {"SOL": MARKET["coins"]["SOL"]}})
    assert (alone.brief.coins, alone.questions) == (["SOL"], [])
    assert "coins" in alone.brief.assumed


def test_a_market_coin_that_the_lexicon_lacks_is_known() -> None:
    market = {
        **MARKET,
        "coins": {**MARKET["coins"], "FOOCOIN": MARKET["coins"]["SOL"], "1INCH": MARKET["coins"]["SOL"]},
    }
    reading = read_goal("Predict whether FOOCOIN and 1INCH rise", market)
    assert (reading.brief.coins, reading.unknown_coins) == (["FOOCOIN", "1INCH"], [])


def test_without_a_market_a_coin_of_the_lexicon_is_known() -> None:
    assert read_goal("Predict whether ADA rises").unknown_coins == []
    reading = read_goal("Predict whether BTCC rises")
    assert reading.unknown_coins == ["BTCC"]
    assert "BTCC is no coin that is known here; nearest: BTC." in reading.notes[0]


def test_all_coins_without_a_market_wait_for_one() -> None:
    reading = read_goal("Predict the direction of all coins")
    assert (reading.brief.coins, reading.questions) == ([], [])
    assert "coins" not in reading.brief.assumed


@pytest.mark.parametrize(
    ("goal", "name", "options", "default"),
    [
        ("Predict BTC", "target", ["direction", "volatility"], "direction"),
        ("Will BTC move by 2% in 24h", "threshold", ["0.02", "-0.02"], "0.02"),
        ("Will BTC rise or fall by 2% in 24h", "threshold", ["0.02", "-0.02"], "0.02"),
        ("Predict BTC direction over 1h and 4h", "horizon", ["PT1H", "PT4H"], "PT1H"),
        (
            "Predict whether BTC rises, by RMSE",
            "metric",
            ["roc_auc", "accuracy", "precision", "recall", "f1", "pr_auc", "brier"],
            "roc_auc",
        ),
        (
            "Predict BTC direction with xgboost, ridge, without xgboost",
            "models",
            ["logistic_regression", "xgboost, logistic_regression"],
            "logistic_regression",
        ),
        (
            "Explore BTC from 2024-06-01 to 2024-03-01",
            "start",
            ["2024-03-01T00:00:00+00:00", "2024-03-04T00:00:00+00:00"],
            "2024-03-01T00:00:00+00:00",
        ),
    ],
)
def test_what_is_open_is_asked_and_the_default_taken(goal: str, name: str, options: list[str], default: str) -> None:
    reading = read_goal(goal, MARKET)
    question = reading.questions[0]
    assert (question.field, question.options, question.default) == (name, options, default)
    value = getattr(reading.brief, name)
    assert (", ".join(value) if isinstance(value, list) else str(value)) == default
    assert name in reading.brief.assumed


def test_a_clash_of_one_model_leaves_the_others() -> None:
    brief = read_goal("Predict BTC direction with xgboost but without xgboost", MARKET).brief
    assert (brief.models, brief.avoid_models) == (
        ["logistic_regression", "random_forest", "gradient_boosting"],
        ["xgboost"],
    )


def test_a_span_after_the_newest_bar_stays_as_asked_and_says_so() -> None:
    reading = read_goal("Explore BTC since 2025-01-01", MARKET)
    assert reading.brief.start == "2025-01-01T00:00:00+00:00"
    assert reading.brief.end == "2025-01-01T00:05:00+00:00"
    assert "'since 2025-01-01' starts after the newest bar." in reading.notes


def test_there_are_at_most_three_questions_and_the_coin_comes_first() -> None:
    reading = read_goal("Will it move by 2% over 1h and 4h, by RMSE, with xgboost, without xgboost", MARKET)
    assert [question.field for question in reading.questions] == ["coins", "threshold", "models"]
    assert {"horizon", "metric"} <= set(reading.brief.assumed)


@pytest.mark.parametrize(
    ("goal", "note"),
    [
        ("Predict whether BTC falls", "a fall is the same model read as 0"),
        ("Predict BTC direction with catboost", "There is no catboost here; the algorithms are logistic_regression"),
        ("Predict BTC direction with ATR", "There is no ATR here; the indicators are sma"),
        ("Predict BTC volatility and return", "One run has one target; return was left out."),
        ("Predict BTC direction with 20-day SMA", "The window 20-day was left out"),
        ("Predict BTC rises 2% or falls 1%", "1% was not read as a threshold."),
        ("Predict BTC direction using hourly data", "'hourly data' was left out: the bars are of 5 minutes."),
        ("Explore BTC from 2024-06-01 to 2024-03-01", "the two dates are taken the other way round"),
        ("Explore BTC in 2024-13", "'2024-13' was not read as a date"),
        ("Predict bitcion direction", "'bitcion' is taken as BTC."),
    ],
)
def test_what_was_taken_how_is_said(goal: str, note: str) -> None:
    assert any(note in sentence for sentence in read_goal(goal, MARKET).notes)


def test_nearest_is_at_hand_here_too() -> None:
    assert nearest("bitcoin", ["BTC", "ETH"]) == ["BTC"]


PIECES = """
predict whether will explore BTC eth FOO NEAR near all coins rises falls by 2 % 90 0 999999999 - , .
/ ( ) ' $ days hour m the last next in since from to between and until before June 2024 2024-06-01
2024-13-99 Q2 30 half a without no with xgboost ridge linear RSI SMA 14 f1 rmse return price
volatility level not or all except column table churn target 1INCH bars ahead horizon of 5-minute
candles how much what this week yesterday ago
"""
GOALISH = st.lists(st.sampled_from(PIECES.split()), max_size=14).map(" ".join)


@settings(max_examples=250, deadline=None)
@given(st.one_of(GOALISH, st.text(max_size=60)), st.sampled_from([None, MARKET, CUSTOMERS]))
def test_any_text_is_read_or_refused_and_always_alike(goal: str, market: dict[str, Any] | None) -> None:
    def attempt() -> Reading | tuple[str, str]:
        try:
            return read_goal(goal, market)
        except GoalError as error:
            return error.code, error.line()

    first = attempt()
    assert first == attempt()
    if isinstance(first, Reading):
        assert Brief.model_validate(first.brief.model_dump()) == first.brief
        assert len(first.questions) <= 3
        assert all(question.default in question.options for question in first.questions)
        if first.brief.start and first.brief.end:
            assert first.brief.start < first.brief.end
        assert set(first.brief.assumed) <= set(Brief.model_fields)
