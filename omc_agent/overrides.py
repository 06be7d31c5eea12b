"""What a person may change of a run, and from which stage on it has to be done again.

``%agent override ID models=random_forest``, ``%agent restart ID --from STAGE indicators=RSI,MACD``, the strip and the
edit of a gate take the same keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args

from omc_agent.brief import CLASSIFIERS, REGRESSORS, Metric, format_duration
from omc_agent.errors import UsageError

MODELS = tuple(dict.fromkeys((*CLASSIFIERS, *REGRESSORS)))
INDICATORS = ("sma", "ema", "rsi", "macd", "bollinger")
METRICS = get_args(Metric)
TASKS = ("classification", "regression", "analysis")

_PARAM = re.compile(rf"^({'|'.join(MODELS)})\.([A-Za-z0-9_]+)$")
_RANGE = re.compile(r"^(-?[\d.e+-]+)\.\.(-?[\d.e+-]+)$")
_HORIZON = re.compile(r"^(\d+)\s*(min|m|h|d)$")


@dataclass(frozen=True)
class Key:
    """One thing that may be changed.

    Attributes
    ----------
    stage : str
        The earliest stage that it touches.
    kind : str
        text, number, integer, list or whole numbers (a list of them).
    home : str
        brief, settings or stage: where it is kept.
    about : str
        For docs and the form.
    known : tuple of str
        The values it can take; empty: any.
    """

    stage: str
    kind: str
    home: str
    about: str
    known: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    "coins": Key("planning", "list", "brief", "coins, by symbol"),
    "start": Key("planning", "text", "brief", "first bar, ISO 8601 UTC"),
    "end": Key("planning", "text", "brief", "end of the span, exclusive"),
    "task": Key("planning", "text", "brief", "classification, regression or analysis", TASKS),
    "target": Key("planning", "text", "brief", "direction, threshold, return, price, volatility, or a column"),
    "threshold": Key("planning", "number", "brief", "signed fraction, for the target threshold"),
    "horizon": Key("planning", "text", "brief", "from decision to label: 30min, 4h, 1d, or ISO 8601"),
    "holdout": Key("data_retrieval", "number", "settings", "share of the rows that is sealed"),
    "indicators": Key("data_analysis", "list", "brief", "indicators to use", INDICATORS),
    "lags": Key("feature_engineering", "whole numbers", "stage", "lags of the returns, in bars"),
    "windows": Key("feature_engineering", "whole numbers", "stage", "lengths of rolling statistics, in bars"),
    "drop": Key("feature_engineering", "list", "stage", "feature columns to leave out"),
    "models": Key("model_training", "list", "brief", "algorithms to try", MODELS),
    "avoid_models": Key("model_training", "list", "brief", "algorithms to avoid", MODELS),
    "metric": Key("model_training", "text", "brief", "what candidates are compared by", METRICS),
    "folds": Key("model_training", "integer", "settings", "folds of the purged walk-forward"),
    "trials": Key("hyperparameter_tuning", "integer", "settings", "trials of the search"),
    "choice": Key("selection", "text", "stage", "candidate that goes to scoring"),
}
ALIASES = {"model": "models", "features_out": "drop", "avoid": "avoid_models", "coin": "coins"}
ORDER = ("planning", "data_retrieval", "data_analysis", "feature_engineering", "model_training",
         "hyperparameter_tuning", "selection")  # fmt: skip


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words to values.

    Besides the keys of ``KEYS`` a hyperparameter may be named as ``MODEL.NAME``: with one value it is fixed, with
    ``LOW..HIGH`` or ``A,B,C`` it is what the search looks at.

    Raises
    ------
    UsageError
        ``usage.override`` for a key or a value that is not known, with those that are.

    Examples
    --------
    >>> parse_overrides(["indicators=RSI,MACD", "trials=16", "xgboost.max_depth=2..8"])
    {'indicators': ['rsi', 'macd'], 'trials': 16, 'xgboost.max_depth': [2, 8]}
    """
    made: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise _refused(f"{word!r} is not KEY=VALUE.")
        key, value = _one(name.strip(), text.strip())
        made[key] = value
    return made


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same for values that are typed already, as a form or JSON gives them."""
    made: dict[str, Any] = {}
    for name, value in changes.items():
        text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        if _PARAM.match(name) and _is_range(value):
            text = f"{value[0]}..{value[1]}"
        key, parsed = _one(name, text)
        made[key] = parsed
    return made


def earliest_stage(changes: Mapping[str, Any]) -> str:
    """The stage from which on the run has to be done again.

    Examples
    --------
    >>> earliest_stage({"trials": 16, "models": ["xgboost"]})
    'model_training'
    """
    return min((_stage(*each) for each in changes.items()), key=ORDER.index, default="selection")


def split_by_home(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What goes into the brief, into the settings, and to the stages themselves."""
    homes: dict[str, dict[str, Any]] = {"brief": {}, "settings": {}, "stage": {}}
    for name, value in changes.items():
        homes[KEYS[name].home if name in KEYS else "stage"][name] = value
    return homes["brief"], homes["settings"], homes["stage"]


def params_for(overrides: Mapping[str, Any], model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fixed hyperparameters of `model`, and the space of its search, out of a run's overrides.

    Examples
    --------
    >>> params_for({"xgboost.max_depth": 4, "xgboost.learning_rate": [0.01, 0.1]}, "xgboost")
    ({'max_depth': 4}, {'learning_rate': ['float', 0.01, 0.1]})
    """
    fixed: dict[str, Any] = {}
    space: dict[str, Any] = {}
    for name, value in overrides.items():
        found = _PARAM.match(name)
        if found is None or found.group(1) != model:
            continue
        if isinstance(value, list):
            whole = all(isinstance(each, int) for each in value)
            kind = ("int" if whole else "float") if _is_range(value) else "choice"
            space[found.group(2)] = [kind, *value]
        else:
            fixed[found.group(2)] = value
    return fixed, space


def _one(name: str, text: str) -> tuple[str, Any]:
    name = ALIASES.get(name, name)
    if _PARAM.match(name):
        return name, _parameter(name, text)
    if name not in KEYS:
        raise _refused(f"There is nothing called {name!r} to override.")
    key = KEYS[name]
    try:
        value = _value(name, key, text)
    except (ValueError, OverflowError):
        raise _refused(f"{name}={text} is not {_article(key.kind)}.") from None
    for each in value if isinstance(value, list) else [value]:
        if key.known and each not in key.known:
            raise UsageError("usage.override", given=f"{name}={each} is not known.",
                             have=f"Known: {', '.join(key.known)}.", try_="Name one of them.")  # fmt: skip
    return name, value


def _value(name: str, key: Key, text: str) -> Any:
    if key.kind == "number":
        if not isfinite(number := float(text)):
            raise ValueError(text)
        return number
    if key.kind == "integer":
        return int(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if key.kind == "whole numbers":
        return [int(part) for part in parts]
    if key.kind == "list":
        return [part.upper() if name == "coins" else part.lower() if key.known else part for part in parts]
    return _duration(text) if name == "horizon" else text


def _duration(text: str) -> str:
    from datetime import timedelta

    found = _HORIZON.match(text.lower())
    if found is None:
        from omc_agent.brief import parse_duration

        return format_duration(parse_duration(text.upper()))
    unit = {"min": "minutes", "m": "minutes", "h": "hours", "d": "days"}[found.group(2)]
    return format_duration(timedelta(**{unit: int(found.group(1))}))


def _parameter(name: str, text: str) -> Any:
    found = _RANGE.match(text)
    if found is None:
        parts = [_number(part.strip()) for part in text.split(",") if part.strip()]
        if len(parts) == 2 and _is_range(parts):
            raise _refused(f"{name}={text} is two numbers: a range is LOW..HIGH, a choice has three or more.")
        return parts if len(parts) > 1 else _number(text)
    low, high = _number(found.group(1)), _number(found.group(2))
    if isinstance(low, str) or isinstance(high, str) or low >= high:
        raise _refused(f"{name}={text} is not LOW..HIGH.")
    return [low, high]


def _is_range(value: Any) -> bool:
    """Two numbers; anything else in a list is a choice."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _stage(name: str, value: Any) -> str:
    if name in KEYS:
        return KEYS[name].stage
    return "hyperparameter_tuning" if isinstance(value, list) else "model_training"  # only the search reads ranges


def _article(kind: str) -> str:
    return {"number": "a number", "integer": "a whole number", "whole numbers": "a list of whole numbers",
            "list": "a list"}.get(kind, "a value it can take")  # fmt: skip


def _refused(given: str) -> UsageError:
    return UsageError(
        "usage.override",
        given=given,
        have=f"Known: {', '.join(KEYS)}, and MODEL.PARAMETER such as xgboost.max_depth=2..8.",
        try_="For example models=random_forest, indicators=rsi,macd or horizon=4h.",
    )
