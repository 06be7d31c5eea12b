"""The words of a goal, and the names the grammar knows: coins, algorithms, indicators, metrics.

`Words` is the goal cut into tokens, each *free*, *used* by a reader, or *refused* (understood, but there is
nothing here that does it). What is free or refused at the end is what the person is told was not read.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from omc_agent.brief import ModelName

T = TypeVar("T")
Phrases = dict[tuple[str, ...], T]

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}

_TOKEN = re.compile(
    r"(?P<date>[0-9]{4}[-/][0-9]{1,2}(?:[-/][0-9]{1,2}"
    r"(?:[Tt ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:Z|z|[+-][0-9]{2}:?[0-9]{2})?)?)?(?![\w-]))"
    r"|(?P<odd>[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}(?!\w))"
    r"|(?P<number>(?:(?<!\S)[-+])?(?:[0-9]+(?:,[0-9]{3}(?!\d))*(?:\.[0-9]+)?|\.[0-9]+))"
    r"|(?P<unit>(?<=[0-9])[^\W0-9_]+)"
    r"|(?P<word>\$?[^\W0-9]\w*(?:'[^\W0-9]+)?)"
    r"|(?P<mark>\S)"
)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣-"), "-")
_QUOTES = dict.fromkeys(map(ord, "‘’ʼ`´"), "'")


def stem(word: str) -> str:
    """`word` in lower case without a possessive or a plural s.

    Examples
    --------
    >>> stem("Forests"), stem("BTC's"), stem("gas"), stem("loss")
    ('forest', 'btc', 'gas', 'loss')
    """
    low = word.lower().removesuffix("'s").removesuffix("'")
    return low[:-1] if len(low) > 3 and low.endswith("s") and not low.endswith("ss") else low


@dataclass(frozen=True)
class Token:
    """One word, number, date or mark, its place in the goal; `glued` if no blank stands before it."""

    text: str
    kind: Literal["word", "number", "date", "odd", "mark"]
    start: int
    stop: int
    glued: bool

    @property
    def low(self) -> str:
        """Lower case, without a possessive s."""
        return self.text.lower().removesuffix("'s")

    @property
    def number(self) -> float | None:
        """The value of a number, else None."""
        return float(self.text.replace(",", "")) if self.kind == "number" else None


def normalize(goal: str) -> str:
    """`goal` with one kind of dash and quote, and full-width characters made plain."""
    return unicodedata.normalize("NFKC", goal).translate(_DASHES | _QUOTES).replace("^2", "2")


def tokenize(goal: str) -> list[Token]:
    """`goal` in tokens; a hyphen within a compound such as 15-minute is left out, one in a range stays.

    Examples
    --------
    >>> [token.text for token in tokenize("BTC–USDT, 15-minute, 2023-2024")]
    ['BTC', 'USDT', ',', '15', 'minute', ',', '2023', '-', '2024']
    """
    tokens: list[Token] = []
    last_stop = -1
    for match in _TOKEN.finditer(normalize(goal)):
        kind = "word" if match.lastgroup == "unit" else match.lastgroup
        assert kind is not None
        token = Token(match.group(), kind, *match.span(), glued=match.start() == last_stop)  # type: ignore[arg-type]
        tokens.append(token)
        last_stop = token.stop
    return [token for i, token in enumerate(tokens) if not _is_hyphen(tokens, i)]


def _is_hyphen(tokens: list[Token], i: int) -> bool:
    if tokens[i].text != "-" or not 0 < i < len(tokens) - 1:
        return False
    before, after = tokens[i - 1], tokens[i + 1]
    in_range = all(side.kind in ("number", "date") or side.low in MONTHS for side in (before, after))
    return tokens[i].glued and after.glued and before.kind != "mark" and not in_range


@dataclass(frozen=True)
class Hit(Generic[T]):
    """A phrase found at tokens `start` to `stop` (exclusive), and what it stands for."""

    start: int
    stop: int
    value: T


class Words:
    """The goal's tokens, and which of them a reader has dealt with.

    Examples
    --------
    >>> words = Words("Predict BTC using tweets")
    >>> words.take(1)
    >>> words.left()
    ['Predict', 'tweets']
    """

    def __init__(self, goal: str) -> None:
        self.goal = normalize(goal)
        self.tokens = tokenize(self.goal)
        self._state = ["free"] * len(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def said(self, i: int) -> str:
        """Token `i` in lower case, whoever used it; empty outside the goal."""
        return self.tokens[i].low if 0 <= i < len(self) else ""

    def low(self, i: int) -> str:
        """Token `i` in lower case while it is free, else empty."""
        return self.tokens[i].low if self.is_free(i) else ""

    def is_free(self, i: int) -> bool:
        """Whether `i` is a token that no reader has dealt with."""
        return 0 <= i < len(self) and self._state[i] == "free"

    def take(self, start: int, stop: int | None = None) -> None:
        """Mark tokens as used."""
        self._mark("used", start, stop)

    def refuse(self, start: int, stop: int | None = None) -> None:
        """Mark tokens as understood but not served: they stay among the unread."""
        self._mark("refused", start, stop)

    def _mark(self, state: str, start: int, stop: int | None) -> None:
        for i in range(max(0, start), min(len(self), start + 1 if stop is None else stop)):
            if self._state[i] == "free":
                self._state[i] = state

    def text(self, start: int, stop: int) -> str:
        """Tokens as they were typed."""
        part = self.tokens[start:stop]
        return self.goal[part[0].start : part[-1].stop] if part else ""

    def hits(self, phrases: Phrases[T]) -> list[Hit[T]]:
        """Where free tokens spell a phrase, from left to right, the longest phrase first."""
        longest = max(map(len, phrases), default=0)
        found: list[Hit[T]] = []
        i = 0
        while i < len(self):
            hit = self._hit_at(i, phrases, longest)
            if hit:
                found.append(hit)
            i = hit.stop if hit else i + 1
        return found

    def _hit_at(self, i: int, phrases: Phrases[T], longest: int) -> Hit[T] | None:
        for size in range(min(longest, len(self) - i), 0, -1):
            if all(self.is_free(k) for k in range(i, i + size)):
                key = tuple(stem(self.tokens[k].text) for k in range(i, i + size))
                if key in phrases:
                    return Hit(i, i + size, phrases[key])
        return None

    def left(self) -> list[str]:
        """The words not used, in order, once each, without stop words and marks."""
        texts = [
            token.text
            for token, state in zip(self.tokens, self._state, strict=True)
            if token.kind != "mark" and (state == "refused" or (state == "free" and token.low not in STOP))
        ]
        return list(dict.fromkeys(texts))


def phrases(table: Mapping[str, T]) -> Phrases[T]:
    """A table of phrases, each key cut into stemmed words; `|` parts phrases of one meaning.

    Examples
    --------
    >>> phrases({"random forest|rf": 1})
    {('random', 'forest'): 1, ('rf',): 1}
    """
    return {
        tuple(stem(token.text) for token in tokenize(phrase)): value
        for key, value in table.items()
        for phrase in key.split("|")
    }


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


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
WEAK = _words(
    "near link one dot ada sand op atom etc dash flow waves gala sui sei comp ton render theta mana stx mina neo"
    " uni apt pol bat fil rune sol tia arb tao stellar cosmos maker optimism"
)
CURRENCIES = ("usdt", "usdc", "busd", "tusd", "usd", "eur", "aud", "gbp", "dai")
COIN_NOUNS = _words(
    "price prices coin coins token tokens protocol network direction movement movements trend"
    " volatility return returns chain"
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
        "mae|mean absolute error": "mae",
        "rmse|root mean squared error|root mean square error": "rmse",
        "r2|r squared|r 2|r2 score|coefficient of determination": "r2",
        "mase|mean absolute scaled error": "mase",
    }
)
OTHER_METRICS = phrases(
    dict.fromkeys(
        (
            "mse|mean squared error|mape|smape|log loss|logloss|cross entropy|sharpe|sharpe ratio|sortino|profit|pnl",
            "matthews|mcc|kappa|balanced accuracy|hit rate|drawdown",
        ),
        True,
    )
)

EXPLORE = _words(
    "explore exploring exploration analyse analyze analysing analyzing analysis describe describing summarise"
    " summarize summary overview eda show plot visualise visualize chart investigate inspect look statistics stats"
    " profile study examine understand"
)
PREDICT = _words(
    "predict predicts predicting prediction predictions forecast forecasts forecasting classify classification"
    " classifier regress regression regressor estimate train anticipate project"
)
UPWARD = _words(
    "up rise rises rising rose higher increase increases increasing gain gains climb climbs climbing grow grows"
    " jump jumps surge surges rally rallies pump pumps appreciate appreciates bullish upward upwards"
)
DOWNWARD = _words(
    "down fall falls falling fell lower decrease decreases decreasing drop drops dropping decline declines lose"
    " loses sink sinks crash crashes dip dips plunge plunges slump slumps dump dumps bearish depreciate downward"
    " downwards"
)
EITHERWAY = _words("move moves moving change changes changing swing swings")
TARGETS = phrases(
    {
        "direction|movement|price direction|price movement|price trend|trend|up or down|up/down|rise or fall"
        "|higher or lower|upside or downside": "direction",
        "volatility|vol|volatile|realised volatility|realized volatility|realised vol|realized vol": "volatility",
        "return|log return|percentage return|price change|percentage change|percent change|pct change": "return",
        "price|close|closing price|close price|price level|worth": "price",
    }
)

ACRONYMS = _words(
    "ai ml nlp eda usd usdt usdc busd eur aud gbp aed dai utc gmt csv sql db api ohlc ohlcv roi ok us uk eu cpi fomc"
    " vix nasdaq spx spy sp etf etfs gdp fx pca svd gpu cpu id pdf html json url cv oos iso am pm asap fyi lstm arma"
    " kpi ta tv hft nan na vs or and not the a i dow fed ecb btfd hodl ath atl nft nfts defi dex otc tvl mvrv var"
    " cvar pnl"
)
STOP = _words(
    "a an the this that these those it its it's they them their there here i i'd i'm me my we us our you your he she"
    " is are was were be been being am do does did will would shall should can could may might must has have had"
    " having to of in on at by for from with into onto over under about as than then so if whether when what what's"
    " which who how why where and or but also plus vs versus per via out off through within after before between"
    " against during until since all any some each every both either please kindly help want wants wanted need needs"
    " like know tell give get let let's try use uses used using based go goes going gone make makes making build"
    " built create run train trained training fit fitted model models modelling modeling algorithm algorithms"
    " classifier classifiers regressor method methods approach data dataset history historical past previous bars bar"
    " candle candles row rows sample samples crypto cryptos cryptocurrency cryptocurrencies coin coins token tokens"
    " pair pairs good best better well accurate accurately optimise optimize optimising optimizing maximise maximize"
    " minimise minimize score scored scoring metric measure measured evaluate evaluated judge judged only just"
    " thing things question goal task target etc next now future utc time times period most likely probably possible"
    " possibly new compare comparing comparison several different various set value values predictor column table"
    " feature features technical market markets one's whose because while more less very can't say see find think"
) - {"not", "no", "without", "never", "except"}


def nearest(symbol: str, known: Iterable[str]) -> list[str]:
    """The symbols of `known` that look or sound most like `symbol`, best first, at most three.

    Parameters
    ----------
    symbol : str
        What was typed: a symbol or a name.
    known : iterable of str
        The symbols there are; a coin's names count as its symbol.

    Examples
    --------
    >>> nearest("BTCC", ["BTC", "ETH", "LTC"])
    ['BTC']
    >>> nearest("bitcion", ["BTC", "ETH"])
    ['BTC']
    """
    by_word: dict[str, str] = {}
    for coin in known:
        for word in (coin, *COINS.get(coin.upper(), ())):
            by_word.setdefault(word.upper(), coin)
    close = difflib.get_close_matches(symbol.upper(), by_word, n=6, cutoff=0.6)
    return list(dict.fromkeys(by_word[word] for word in close))[:3]


# --- coins in a goal ------------------------------------------------------------------------------------------

_COMMANDS = PREDICT | EXPLORE | {"whether", "will", "of", "for"}
COIN_GROUPS = phrases(
    {
        "all coin|all the coin|every coin|each coin|all of them|all available coin|all crypto|all cryptocurrency"
        "|all cryptocurrencies|all symbol|all token|all market|the whole market|any coin": True
    }
)


INPUTS = {"using", "with", "from", "including", "include", "use", "given", "based"}


def move_sign(low: str) -> int | None:
    """1 for a word that rises, -1 for one that falls, 0 for one that moves, None for any other."""
    if low in UPWARD:
        return 1
    if low in DOWNWARD:
        return -1
    return 0 if low in EITHERWAY else None


def is_shouting(words: Words) -> bool:
    """Whether the whole goal is in capitals, so that capitals make no symbol."""
    texts = [token.text for token in words.tokens if token.kind == "word"]
    plain = STOP | PREDICT | EXPLORE
    return all(text == text.upper() for text in texts) and any(
        text.lower() in plain and len(text) > 1 for text in texts if text not in COINS
    )


def coin_hits(words: Words, known: set[str], shouting: bool) -> list[Hit[str]]:
    """Names and symbols of `known` coins among the free tokens, in order, each with its quote currency.

    Examples
    --------
    >>> [hit.value for hit in coin_hits(Words("bitcoin, eth and near, the one I link"), set(COINS), False)]
    ['BTC', 'ETH', 'NEAR']
    """
    names = [hit for hit in words.hits(COIN_NAMES) if _is_coin_name(words, hit)]
    inside = {i for hit in names for i in range(hit.start, hit.stop)}
    hits = list(names)
    for i in range(len(words)):
        if i in inside or not words.is_free(i):
            continue
        symbol, stop = _symbol_at(words, i, known)
        if symbol and (_is_sure(words, i, shouting) or _has_coin_company(words, i, stop)):
            hits.append(Hit(i, stop, symbol))
    hits.sort(key=lambda hit: hit.start)
    hits += _listed(words, hits, known)
    return [_with_currency(words, hit) for hit in sorted(hits, key=lambda hit: hit.start)]


def _is_coin_name(words: Words, hit: Hit[str]) -> bool:
    low = words.low(hit.start)
    return hit.stop - hit.start > 1 or low not in WEAK or _has_coin_company(words, hit.start, hit.stop)


def _symbol_at(words: Words, i: int, known: set[str]) -> tuple[str | None, int]:
    """The known symbol at token `i`, alone (btc, $BTC), with its currency (BTCUSDT) or after a number (1INCH)."""
    token = words.tokens[i]
    if token.kind == "number" and words.is_free(i + 1) and words.tokens[i + 1].glued:
        glued = (token.text + words.tokens[i + 1].text).upper()
        return (glued, i + 2) if glued in known else (None, i)
    symbol = token.low.removeprefix("$").upper()
    if token.kind != "word" or symbol in known:
        return (symbol if token.kind == "word" else None), i + 1
    for currency in CURRENCIES:
        base = symbol.removesuffix(currency.upper())
        base = {"XBT": "BTC"}.get(base, base)
        if base != symbol and base in known:
            return base, i + 1
    return None, i


def _is_sure(words: Words, i: int, shouting: bool) -> bool:
    token = words.tokens[i]
    if token.text.startswith("$") or token.kind == "number":
        return True
    upper = token.text.removesuffix("'s").isupper() and not shouting
    if upper:
        return True
    common = token.low in WEAK or token.low in STOP
    return not common and (token.low.upper() in COINS or len(token.low) > 4)


def _has_coin_company(words: Words, i: int, stop: int) -> bool:
    """Whether the neighbours of an English word make it a coin: "near price", "will dot rise", "predict link"."""
    after, before = words.said(stop), words.said(i - 1)
    if words.tokens[i].low in STOP - {"etc"}:
        return False
    if after in COIN_NOUNS or (after == "/" and words.said(stop + 1) in CURRENCIES):
        return True
    if after in CURRENCIES or before in ("coin", "token"):
        return True
    closes = after in ("", ",", ".", "?", "!") or move_sign(after) is not None or after in ("goes", "go", "going")
    listed = after in ("and", "or") and words.said(stop + 1).upper() in COINS
    return before in _COMMANDS and (closes or listed)


def _listed(words: Words, hits: list[Hit[str]], known: set[str]) -> list[Hit[str]]:
    """English words in a list of coins: the dot of "btc, eth and dot"."""
    ends = {hit.stop for hit in hits}
    taken = {i for hit in hits for i in range(hit.start, hit.stop)}
    found: list[Hit[str]] = []
    for i in range(len(words)):
        low = words.low(i)
        k = i - 1
        while words.said(k) in (",", "and", "or", "&", "/", "+"):
            k -= 1
        symbol = COIN_NAMES.get((low,), low.upper())
        if i not in taken and low in WEAK and symbol in known and k < i - 1 and k + 1 in ends:
            found.append(Hit(i, i + 1, symbol))
            ends.add(i + 1)
    return found


def _with_currency(words: Words, hit: Hit[str]) -> Hit[str]:
    stop = hit.stop + (words.said(hit.stop) == "/")
    return Hit(hit.start, stop + 1, hit.value) if words.low(stop) in CURRENCIES else hit


def stranger_hits(words: Words) -> list[Hit[str]]:
    """Upper-case words that look like a symbol which nothing here knows."""
    found = []
    for i, token in enumerate(words.tokens):
        symbol = token.text.removesuffix("'s").removeprefix("$")
        looks = token.kind == "word" and 2 <= len(symbol) <= 10 and symbol.isascii() and symbol.isalnum()
        if not (looks and words.is_free(i) and (symbol.isupper() or token.text.startswith("$"))):
            continue
        common = symbol.lower() in ACRONYMS | STOP or stem(symbol) in ACRONYMS
        if not common and words.said(i - 1) not in INPUTS | {"by", "via", "no", "without", "not"}:
            found.append(Hit(i, i + 1, symbol.upper()))
    return found


def near_coin(low: str, known: set[str]) -> str | None:
    """The coin whose name is nearly spelt so.

    Examples
    --------
    >>> near_coin("bitcion", {"BTC", "ETH"})
    'BTC'
    """
    names = {name: symbol for symbol in sorted(known) for name in COINS.get(symbol, ()) if len(name) > 4}
    close = difflib.get_close_matches(low, names, n=1, cutoff=0.84)
    return names[close[0]] if close else None
