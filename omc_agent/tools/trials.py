"""What a search has tried so far, the best of it, and why no more is tried."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import AgentError


@dataclass
class Tried:
    """A trial: its score, and its out-of-fold rows (none where it failed or was left early)."""

    score: dict[str, Any]
    oof: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass
class Log:
    """The trials so far, and why no more are made."""

    higher: bool
    wall: float | None
    tried: list[Tried] = field(default_factory=list)
    stopped: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def best(self) -> Tried:
        """The best trial that was validated whole; the earlier of two alike."""
        scores = np.array([one.score["score"] if len(one.oof) else np.nan for one in self.tried])
        return self.tried[int(np.nanargmax(scores if self.higher else -scores))]

    def add(self, trial: Tried) -> float:
        """Keep a trial; gives its score."""
        self.tried.append(trial)
        return float(trial.score["score"])

    def attempt(self, make: Callable[[], Tried], params: dict[str, Any]) -> float:
        """Keep what `make` gives. Parameters that the model cannot learn with are a trial without a score."""
        try:
            return self.add(make())
        except AgentError:
            raise
        except Exception:  # each library has errors of its own for parameters that do not go together
            return self.add(Tried({"params": params, "score": float("nan"), "fit_seconds": 0.0}))

    def late(self, trials: int) -> bool:
        """Whether the kill limit has passed; the reason is then kept."""
        if self.wall is None or time.monotonic() - self.began < self.wall:
            return False
        done = len(self.tried)
        self.stopped = f"Stopped after {done} of {trials} trials: {self.wall:g} s passed; the best of these is given."
        return True

    def table(self) -> pd.DataFrame:
        """A row a trial: `trial`, `params` (JSON text), `score`, `fit_seconds`."""
        scores = [one.score for one in self.tried]
        return pd.DataFrame(
            {
                "trial": range(len(scores)),
                "params": [json.dumps(score["params"], sort_keys=True) for score in scores],
                "score": [score["score"] for score in scores],
                "fit_seconds": [score["fit_seconds"] for score in scores],
            }
        )
