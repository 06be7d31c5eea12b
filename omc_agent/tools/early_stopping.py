"""How many rounds a boosted model should learn: found on the end of the training rows, never on a test block."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from omc_agent.errors import UsageError
from omc_agent.tools.algorithms import Params, make_pipeline
from omc_agent.tools.features import feature_columns
from omc_agent.tools.fitting import usable_rows
from omc_agent.tools.metrics import task_of
from omc_agent.tools.splits import folds_for

Floats = NDArray[np.float64]

# The parameter that counts the rounds.
ROUNDS = {"xgboost": "n_estimators", "gradient_boosting": "max_iter"}
MOST_ROUNDS = 300
_STRETCHES = 4  # the last of them is a fifth of the training rows


def find_rounds(
    features: pd.DataFrame,
    model: str = "xgboost",
    params: Params | None = None,
    n_splits: int = 5,
    seed: int = 0,
    most: int = MOST_ROUNDS,
    task: str | None = None,
) -> list[int]:
    """For each fold, the number of boosting rounds after which a stretch of its *training* rows is predicted best.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows.
    model : str
        ``xgboost`` or ``gradient_boosting``.
    params : mapping, optional
        The other parameters, over the defaults.
    n_splits, seed
        As `cross_validation.cross_validate_model`: the folds are the same.
    most : int
        Rounds that are looked at.
    task : str, optional
        ``classification`` or ``regression``; by default read from the target.

    Returns
    -------
    list of int (folds,)
        From 1 to `most`.

    Raises
    ------
    UsageError
        ``usage.value`` for a model that has no rounds.
    DataError
        ``data.too_few_rows`` when the training rows of a fold cannot be cut again.

    Notes
    -----
    The training rows of a fold are cut once more by the same splitter, and the last purged stretch is held back: log
    loss for classes, squared error for values. scikit-learn's own early stopping holds a random sample back: where
    labels overlap these are copies of what is trained on, and it stops too late.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(200), "target": [0.0, 1.0] * 100})
    >>> len(find_rounds(rows, "gradient_boosting", n_splits=2, most=5))
    2
    """
    if model not in ROUNDS:
        raise UsageError(
            "usage.value",
            given=f"The model was {model!r}.",
            have=f"Rounds are counted in {' and '.join(ROUNDS)}.",
            try_="Try one of these.",
        )
    task = task or task_of(features)
    names = feature_columns(features)
    rows = features[usable_rows(features, names) & features["target"].notna().to_numpy()]
    given = {**(params or {}), ROUNDS[model]: most}
    found = []
    for train, _ in folds_for(rows, n_splits, task, seed).split(rows):
        part = rows.iloc[train]
        learn, held = list(folds_for(part, _STRETCHES, task, seed).split(part))[-1]
        loss = _losses(part.iloc[learn], part.iloc[held], names, task, model, given, seed)
        found.append(int(np.argmin(loss)) + 1)
    return found


def _losses(
    learn: pd.DataFrame, held: pd.DataFrame, names: list[str], task: str, model: str, params: Params, seed: int
) -> Floats:
    """The loss on the held rows after each round (rounds,)."""
    pipeline = make_pipeline(learn[names], task, model, params, seed, fill="timestamp" not in learn.columns)
    first, estimator = pipeline[:-1], pipeline.named_steps["model"]
    X, Z = learn[names], held[names]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Found unknown categories")
        if len(first):
            X, Z = first.fit_transform(X, learn["target"]), first.transform(Z)
        y, z = learn["target"].to_numpy(), held["target"].to_numpy()
        if model == "xgboost":
            if task == "classification":  # the codes that there are, without holes; others cannot be foretold
                there, y = np.unique(y, return_inverse=True)
                seen = np.isin(z, there)
                Z, z = Z[seen], np.searchsorted(there, z[seen])
            estimator.fit(X, y, eval_set=[(Z, z)], verbose=False)
            *_, losses = estimator.evals_result()["validation_0"].values()
            return np.asarray(losses, dtype=np.float64)
        estimator.fit(X, y)
        if task == "regression":
            return np.array([np.mean((z - said) ** 2) for said in estimator.staged_predict(Z)])
        return np.array([_log_loss(z, said, estimator.classes_) for said in estimator.staged_predict_proba(Z)])


def _log_loss(target: Floats, said: Any, classes: Any) -> float:
    """Minus the mean log of the probability of what came; a class that was never learned counts as impossible."""
    place = np.searchsorted(classes, target)
    known = (place < len(classes)) & (classes[np.minimum(place, len(classes) - 1)] == target)
    given = np.where(known, said[np.arange(len(target)), np.minimum(place, len(classes) - 1)], 0.0)
    return float(-np.log(np.clip(given, 1e-15, 1.0)).mean())
