"""`Candidate`: a model or naive rule and its walk-forward score, as tables, verdict and ``--json`` hold it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# The models that say whether complexity pays: one linear model a task, and trees with their defaults.
SIMPLE_LINEAR = {"classification": "logistic_regression", "regression": "ridge"}
SIMPLE_TREE = "random_forest"
SIMPLE = frozenset({"logistic_regression", "linear", "ridge", "lasso", SIMPLE_TREE})


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
