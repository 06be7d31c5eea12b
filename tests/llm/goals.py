"""Goals, what each is read into, and the markets they are read against."""

from __future__ import annotations

from typing import Any

from omc_agent.llm.grammar import Reading

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
