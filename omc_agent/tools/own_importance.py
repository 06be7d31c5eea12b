"""What a fitted model itself says of its features: coefficients, impurity, gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from omc_agent.errors import UsageError
from omc_agent.tools.level import inner_pipeline


def model_importance(model: Pipeline) -> pd.DataFrame:
    """How much a fitted model uses each column, by its own account.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of `modeling`.

    Returns
    -------
    DataFrame (columns, 3)
        `feature` (after encoding: a column of words is several), `importance` and `kind`, most important first:

        - ``coefficient``: of the standardised column, with its sign (of several classes: the mean size);
        - ``impurity``: the share of impurity that splits on it removed (forests);
        - ``gain``: the mean gain of its splits, as shares of all (XGBoost).

    Raises
    ------
    UsageError
        ``usage.value`` for a model that keeps no such account (gradient boosting).

    Notes
    -----
    It is an account of training, so a column of noise may rank high: `calculate_feature_importance` asks what is lost
    on rows that were not trained on.

    Examples
    --------
    >>> from omc_agent.tools.modeling import train_classification_model
    >>> rows = pd.DataFrame({"size": range(40), "still": 1.0, "target": [0.0] * 20 + [1.0] * 20})
    >>> found = model_importance(train_classification_model(rows))
    >>> found["feature"].tolist(), found["kind"].iloc[0], bool(found["importance"].iloc[0] > 0)
    (['size', 'still'], 'coefficient', True)
    """
    model = inner_pipeline(model)
    names, estimator = _names(model), model.named_steps["model"]
    estimator = getattr(estimator, "regressor_", estimator)
    if hasattr(estimator, "coef_"):
        coefficients = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
        values = coefficients[0] if len(coefficients) == 1 else np.abs(coefficients).mean(axis=0)
        kind = "coefficient"
    elif hasattr(estimator, "feature_importances_"):
        values = np.asarray(estimator.feature_importances_, dtype=np.float64)
        kind = "gain" if type(estimator).__name__.startswith("XGB") else "impurity"
    else:
        raise UsageError(
            "usage.value",
            given=f"The model was {type(estimator).__name__}.",
            have="It keeps no account of its features.",
            try_="Try calculate_feature_importance, which works for every model.",
        )
    table = pd.DataFrame({"feature": names, "importance": values, "kind": kind})
    return table.sort_values("importance", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _names(model: Pipeline) -> list[str]:
    first: Any = model[:-1]
    given = [str(name) for name in model.feature_names_in_]
    found = first.get_feature_names_out(given) if len(first) else given
    return [str(name).removeprefix("numbers__").removeprefix("words__") for name in found]
