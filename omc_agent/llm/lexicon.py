"""The names the grammar knows: coins, algorithms, indicators, metrics, targets, and the verbs of a goal."""

from __future__ import annotations

import re

from omc_agent.brief import ModelName
from omc_agent.llm.words import Phrases, phrases, word_set

# A line is a symbol and its names; an underscore stands for a blank.
_COINS = """
BTC bitcoin xbt|ETH ethereum ether|XRP ripple|LTC litecoin|DOGE dogecoin|SOL solana|ADA cardano|AVAX avalanche
DOT polkadot|LINK chainlink|TRX tron|NEAR near_protocol|MATIC polygon|POL|BNB binance_coin|XLM stellar
XMR monero|BCH bitcoin_cash|ETC ethereum_classic|ATOM cosmos|SHIB shiba_inu shiba|UNI uniswap|AAVE|MKR maker
ALGO algorand|VET vechain|FIL filecoin|APT aptos|ARB arbitrum|OP optimism|HBAR hedera|ICP internet_computer
GRT the_graph|FTM fantom|XTZ tezos|EOS|NEO|ZEC zcash|DASH|IOTA miota|THETA|MANA decentraland|SAND
AXS axie_infinity axie|INJ injective|SUI|SEI|TIA celestia|PEPE pepecoin|TON toncoin|KAS kaspa|RENDER|IMX immutable_x
LDO lido|QNT quant_network|CRV curve_dao|SNX synthetix|COMP compound_finance|LRC loopring|ONE harmony_one
CHZ chiliz|ENJ enjin|GALA|KSM kusama|ZIL zilliqa|BONK|FLOKI|RUNE thorchain|STX|MINA|WLD worldcoin|TAO bittensor
BAT basic_attention_token|WAVES|FLOW|BSV bitcoin_sv|CRO cronos
"""
COINS: dict[str, tuple[str, ...]] = {
    entry.split()[0]: tuple(name.replace("_", " ") for name in entry.split()[1:])
    for entry in re.split(r"[|\n]", _COINS)
    if entry.strip()
}
COIN_NAMES = phrases({name: symbol for symbol, names in COINS.items() for name in names})
# Symbols and names that are English words too: in lower case they need a neighbour that speaks of coins.
WEAK = word_set(
    "near link one dot ada sand op atom etc dash flow waves gala sui sei comp ton render theta mana stx mina neo"
    " uni apt pol bat fil rune sol tia arb tao stellar cosmos maker optimism"
)
CURRENCIES = ("usdt", "usdc", "busd", "tusd", "usd", "eur", "aud", "gbp", "dai")
COIN_NOUNS = word_set(
    "price prices coin coins token tokens protocol network direction movement movements trend"
    " volatility return returns chain"
)
COIN_GROUPS = phrases(
    {
        "all coin|all the coin|every coin|each coin|all of them|all available coin|all crypto|all cryptocurrency"
        "|all cryptocurrencies|all symbol|all token|all market|the whole market|any coin": True
    }
)
MODELS: Phrases[tuple[ModelName, ...]] = phrases(
    {
        "logistic regression|logistic|logit|logreg|logistic_regression": ("logistic_regression",),
        "random forest|randomforest|rf|forest|random_forest": ("random_forest",),
        "gradient boosting|gradient boosted tree|gradient boosted|gbm|gbdt|gbrt|gradient_boosting"
        "|gradient boosting machine|hist gradient boosting|histgradientboosting": ("gradient_boosting",),
        "xgboost|xgb|xg boost|extreme gradient boosting": ("xgboost",),
        "linear regression|linear model|ols|linear": ("linear",),
        "ridge regression|ridge": ("ridge",),
        "lasso regression|lasso": ("lasso",),
        "tree|tree based|tree based model|tree model|tree ensemble": (
            "random_forest",
            "gradient_boosting",
            "xgboost",
        ),
        "boosting|boosted|boosted tree": ("gradient_boosting", "xgboost"),
    }
)
SIMPLE_MODEL = phrases(
    {
        "simple model|simple algorithm|simple classifier|simple regressor|simplest model": True,
        "interpretable|interpretable model|explainable|explainable model|transparent model": True,
    }
)
EVERY_MODEL = phrases({"all model|all the model|every model|all algorithm|all the algorithm|every algorithm": True})
OTHER_MODELS = phrases(
    dict.fromkeys(
        (
            "lightgbm|lgbm|light gbm|catboost|neural network|neural net|neural|deep learning|lstm|gru|rnn|cnn",
            "transformer|mlp|perceptron|svm|svc|svr|support vector machine|support vector|knn|k nearest neighbour",
            "k nearest neighbor|nearest neighbour|nearest neighbor|naive bayes|arima|garch|prophet|decision tree",
            "reinforcement learning|elastic net|elasticnet|adaboost|gaussian process|autogluon|automl|kalman filter",
        ),
        True,
    )
)
INDICATORS = phrases(
    {
        "simple moving average|moving average|sma|rolling mean": "sma",
        "exponential moving average|ema|ewma": "ema",
        "relative strength index|rsi": "rsi",
        "moving average convergence divergence|macd": "macd",
        "bollinger band|bollinger|bbands|bband": "bollinger",
    }
)
ALL_INDICATORS = ("sma", "ema", "rsi", "macd", "bollinger")
ANY_INDICATOR = phrases({"technical indicator|indicator|ta indicator|technical analysis": True})
OTHER_INDICATORS = phrases(
    dict.fromkeys(
        (
            "atr|average true range|adx|vwap|obv|on balance volume|cci|stochastic|stochastic oscillator|ichimoku",
            "fibonacci|williams|parabolic sar|psar|keltner|donchian|aroon|mfi|money flow|momentum|stoch",
        ),
        True,
    )
)
METRICS = phrases(
    {
        "accuracy|accuracy score": "accuracy",
        "precision|precision score": "precision",
        "recall|sensitivity": "recall",
        "f1|f1 score|f 1|f 1 score|f score|f measure": "f1",
        "roc auc|auc|auroc|roc|auc roc|roc auc score|roc_auc|area under the curve": "roc_auc",
        "pr auc|average precision|pr_auc|auprc|precision recall auc|precision recall curve": "pr_auc",
        "brier|brier score": "brier",
        "log loss|logloss|log_loss|cross entropy": "log_loss",
        "mae|mean absolute error": "mae",
        "rmse|root mean squared error|root mean square error": "rmse",
        "r2|r squared|r 2|r2 score|coefficient of determination": "r2",
        "mase|mean absolute scaled error": "mase",
    }
)
OTHER_METRICS = phrases(
    dict.fromkeys(
        (
            "mse|mean squared error|mape|smape|sharpe|sharpe ratio|sortino|profit|pnl",
            "matthews|mcc|kappa|balanced accuracy|hit rate|drawdown",
        ),
        True,
    )
)
EXPLORE = word_set(
    "explore exploring exploration analyse analyze analysing analyzing analysis describe describing summarise"
    " summarize summary overview eda show plot visualise visualize chart investigate inspect look statistics stats"
    " profile study examine understand"
)
PREDICT = word_set(
    "predict predicts predicting prediction predictions forecast forecasts forecasting classify classification"
    " classifier regress regression regressor estimate train anticipate project"
)
UPWARD = word_set(
    "up rise rises rising rose higher increase increases increasing gain gains climb climbs climbing grow grows"
    " jump jumps surge surges rally rallies pump pumps appreciate appreciates bullish upward upwards"
)
DOWNWARD = word_set(
    "down fall falls falling fell lower decrease decreases decreasing drop drops dropping decline declines lose"
    " loses sink sinks crash crashes dip dips plunge plunges slump slumps dump dumps bearish depreciate downward"
    " downwards"
)
EITHERWAY = word_set("move moves moving change changes changing swing swings")
TARGETS = phrases(
    {
        "direction|movement|price direction|price movement|price trend|trend|up or down|up/down|rise or fall"
        "|higher or lower|upside or downside": "direction",
        "volatility|vol|volatile|realised volatility|realized volatility|realised vol|realized vol": "volatility",
        "return|log return|percentage return|price change|percentage change|percent change|pct change": "return",
        "price|close|closing price|close price|price level|worth": "price",
    }
)
INPUTS = {"using", "with", "from", "including", "include", "use", "given", "based"}
ACRONYMS = word_set(
    "ai ml nlp eda usd usdt usdc busd eur aud gbp aed dai utc gmt csv sql db api ohlc ohlcv roi ok us uk eu cpi fomc"
    " vix nasdaq spx spy sp etf etfs gdp fx pca svd gpu cpu id pdf html json url cv oos iso am pm asap fyi lstm arma"
    " kpi ta tv hft nan na vs or and not the a i dow fed ecb btfd hodl ath atl nft nfts defi dex otc tvl mvrv var"
    " cvar pnl"
)


def move_sign(low: str) -> int | None:
    """1 for a word that rises, -1 for one that falls, 0 for one that moves, None for any other."""
    if low in UPWARD:
        return 1
    if low in DOWNWARD:
        return -1
    return 0 if low in EITHERWAY else None
