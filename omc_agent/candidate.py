"""`Candidate`: a model or naive rule and its walk-forward score, as tables, verdict and ``--json`` hold it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
    oof: str | None = Field(None, description="name of the frame of out-of-fold predictions")
