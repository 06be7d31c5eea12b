"""`Candidate`: a model or naive rule and its walk-forward score, as tables, verdict and ``--json`` hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# The models that say whether complexity pays: one linear model a task, and trees with their defaults.
SIMPLE_LINEAR = {"classification": "logistic_regression", "regression": "ridge"}
SIMPLE_TREE = "random_forest"
# Shallow and few: what trees can see without being searched for, at a tenth of a forest's time.
SMALL_TREES = {"n_estimators": 25, "max_depth": 4}
SIMPLE = frozenset({"logistic_regression", "linear", "ridge", "lasso", SIMPLE_TREE})

# Errors: the smaller the better; of every other metric more is better.
LOWER_IS_BETTER = frozenset({"mae", "rmse", "mase", "brier", "log_loss"})


def sign_of(metric: object) -> int:
    """1 where more of the metric is better, -1 for an error.

    Examples
    --------
    >>> sign_of("roc_auc"), sign_of("log_loss")
    (1, -1)
    """
    return -1 if metric in LOWER_IS_BETTER else 1


class Candidate(BaseModel):
    """What a child claims of one candidate, checked for shape; numbers that are not there are null."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=80)
    model: str = Field(max_length=80)
    params: dict[str, Any] = Field(default_factory=dict)
    metric: str = "roc_auc"
    score: float
    low: float | None = None
    high: float | None = None
    folds: list[float | None] = Field(default_factory=list, max_length=50)
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    rows: int = 0
    baseline: bool = False
    trials: int = 1
    simple: bool = Field(False, description="linear, or trees with their defaults: says whether complexity pays")
    yardstick: bool = Field(False, description="there to compare with; nobody asked for it, so it is not recommended")
    gain: dict[str, Any] | None = Field(None, description="what a search gained over the defaults")
    stopped: str = Field("", max_length=300, description="why a search ended early")
    oof: str | None = Field(None, description="name of the frame of out-of-fold predictions")


def with_failed(
    candidates: Sequence[Mapping[str, Any]], failed: Mapping[str, Mapping[str, Any] | None], metric: str
) -> list[dict[str, Any]]:
    """The candidates, at their end those that could not be scored, with the reason as `failed`.

    Examples
    --------
    >>> with_failed([], {"a": {"name": "a", "model": "ridge", "why": "Too wide."}, "b": None}, "mae")[0]["failed"]
    'Too wide.'
    """
    lost = [{**each, "metric": metric, "score": None, "failed": each["why"]} for each in failed.values() if each]
    return [*map(dict, candidates), *lost]
