"""The goal as it was read: `Brief`, and the plan made of it: `PlanStep`.

Both are plain values that every floor may hold; they say nothing of who read the goal or who acts on it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Task = Literal["classification", "regression", "analysis"]
Metric = Literal[
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "brier",
    "log_loss",
    "log_loss_skill",
    "mae",
    "rmse",
    "r2",
    "mase",
]
CLASS_METRICS: tuple[Metric, ...] = (
    "roc_auc", "accuracy", "precision", "recall", "f1", "pr_auc", "brier", "log_loss",
)  # fmt: skip
NUMBER_METRICS: tuple[Metric, ...] = ("mae", "rmse", "r2", "mase")
ModelName = Literal[
    "logistic_regression",
    "random_forest",
    "gradient_boosting",
    "xgboost",
    "linear",
    "ridge",
    "lasso",
]
CLASSIFIERS = ("logistic_regression", "random_forest", "gradient_boosting", "xgboost")
REGRESSORS = ("linear", "ridge", "lasso", "random_forest", "gradient_boosting", "xgboost")
PRICE_TARGETS = ("direction", "threshold", "return", "price", "volatility")
PRICE_TABLE = "price_data_5min"

_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


def parse_duration(text: str) -> timedelta:
    """ISO 8601 duration (days, hours, minutes, seconds) to a `timedelta`.

    Examples
    --------
    >>> parse_duration("PT1H30M")
    datetime.timedelta(seconds=5400)
    """
    match = _DURATION.match(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not an ISO 8601 duration such as PT1H or P1D")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(span: timedelta) -> str:
    """A `timedelta` as an ISO 8601 duration.

    Examples
    --------
    >>> format_duration(timedelta(hours=26))
    'P1DT2H'
    """
    seconds = int(span.total_seconds())
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return f"P{f'{days}D' if days else ''}{'T' + clock if clock else ''}" if days or clock else "PT0S"


class Brief(BaseModel):
    """What the person wants, in the words of the field.

    Times are ISO 8601 in UTC, `end` exclusive; `start` and `end` stay null until a database is at hand.
    """

    model_config = ConfigDict(extra="forbid")

    task: Task = "classification"
    coins: list[str] = Field(default_factory=list, description="upper-case base symbols, e.g. BTC")
    table: str = Field(PRICE_TABLE, description="the table that holds the rows")
    start: str | None = Field(None, description="ISO 8601 UTC, inclusive")
    end: str | None = Field(None, description="ISO 8601 UTC, exclusive")
    horizon: str = Field("PT1H", description="ISO 8601 duration from decision to label")
    target: str = Field(
        "direction", description="direction|threshold|return|price|volatility, or a column of the table"
    )
    threshold: float | None = Field(None, description="signed fraction; threshold target: touched within the horizon")
    models: list[ModelName] = Field(default_factory=list, description="algorithms asked for")
    avoid_models: list[ModelName] = Field(default_factory=list, description="algorithms to avoid")
    indicators: list[str] = Field(default_factory=list, description="sma|ema|rsi|macd|bollinger")
    metric: Metric = "roc_auc"
    assumed: list[str] = Field(default_factory=list, description="fields taken by default")
    unread: list[str] = Field(default_factory=list, description="words of the goal not used")

    @field_validator("horizon")
    @classmethod
    def _horizon_is_positive(cls, value: str) -> str:
        if parse_duration(value) <= timedelta(0):
            raise ValueError(f"a horizon must be longer than nothing, got {value!r}")
        return value

    @field_validator("coins")
    @classmethod
    def _upper(cls, value: list[str]) -> list[str]:
        return [coin.upper() for coin in value]

    @property
    def horizon_span(self) -> timedelta:
        """The horizon as a `timedelta`."""
        return parse_duration(self.horizon)

    @property
    def is_price_target(self) -> bool:
        """Whether the target is made from bars, rather than read from a column."""
        return self.target in PRICE_TARGETS

    def title(self) -> str:
        """The goal in half a line, as the header of a run shows it."""
        span = _spoken(self.horizon_span)
        coins = _join(self.coins) or self.table
        if self.task == "analysis":
            return f"Exploration of {coins}"
        named = {
            "direction": f"Direction of {coins}, {span} ahead",
            "threshold": f"Whether {coins} moves {100 * (self.threshold or 0):+g} % within {span}",
            "return": f"Return of {coins}, {span} ahead",
            "price": f"Price of {coins}, {span} ahead",
            "volatility": f"Volatility of {coins} over the next {span}",
        }
        # A frame that was handed in has no table: the default stands there.
        place = "the rows handed in" if self.table == PRICE_TABLE and not self.coins else self.table
        return named.get(self.target, f"{self.target} from {place}")


def why_not(field: str, answer: str) -> str:
    """Why a field of the brief cannot take an answer in words; empty when it can, or when it is no field.

    Examples
    --------
    >>> why_not("coins", "btc, eth"), why_not("task", "poetry")
    ('', "Input should be 'classification', 'regression' or 'analysis'")
    """
    if field not in Brief.model_fields:
        return ""
    is_list = str(Brief.model_fields[field].annotation).startswith("list")
    value = [part.strip() for part in answer.split(",") if part.strip()] if is_list else answer or None
    try:
        Brief.model_validate({field: value})
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return ""


class PlanStep(BaseModel):
    """One stage of the plan, with what it will cost and change."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    title: str = Field(description="one or two words for the spine of the page")
    detail: str = Field(description="one sentence: what will be done and why")
    rows: int | None = Field(None, description="rows read")
    columns: int | None = Field(None, description="columns made")
    fits: int | None = Field(None, description="models fitted, folds counted")
    minutes: float | None = Field(None, description="expected minutes on this machine")
    usd: float | None = Field(None, description="expected US dollars for the chat model")


def _spoken(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes and minutes % size == 0:
            count = minutes // size
            return f"one {word}" if count == 1 else f"{count} {word}s"
    return f"{int(span.total_seconds())} seconds"


def _join(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
