"""Which class was called which: counts of a fitted model on rows that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from omc_agent.errors import UsageError
from omc_agent.tools.fitting import predict, usable_rows


def confusion_table(model: Pipeline, features: pd.DataFrame, threshold: float = 0.5) -> pd.DataFrame:
    """The confusion matrix of a classifier.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of `modeling`.
    features : DataFrame (rows, ...)
        A features frame. Rows with a NaN target, or a NaN feature in a frame of bars, do not count.
    threshold : float
        The probability from which a row is called class 1, between 0 and 1; of several classes the likeliest is
        called.

    Returns
    -------
    DataFrame (classes, classes)
        Counts; index ``true``, columns ``called``.

    Raises
    ------
    UsageError
        ``usage.value`` for a model of values, or a threshold that is no probability.

    Examples
    --------
    >>> from omc_agent.tools.modeling import train_classification_model
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0] * 20 + [1.0] * 20})
    >>> confusion_table(train_classification_model(rows), rows).to_numpy().tolist()
    [[20, 0], [0, 20]]
    """
    if not hasattr(model, "predict_proba") or not 0 <= threshold <= 1:
        raise UsageError(
            "usage.value",
            given=f"The threshold was {threshold!r}, the model {type(model.named_steps['model']).__name__}.",
            have="Classes are called from a probability between 0 and 1.",
            try_="Try a classifier, and threshold=0.5.",
        )
    target = features["target"].to_numpy(dtype=np.float64)
    if len(model.classes_) > 2:
        names = [str(name) for name in model.feature_names_in_]
        known = usable_rows(features, names) & ~np.isnan(target)
        called = np.asarray(model.predict(features.loc[known, names])).astype(int)
    else:
        said = predict(model, features).to_numpy()
        known = ~(np.isnan(said) | np.isnan(target))
        called = (said[known] >= threshold).astype(int)
    true = target[known].astype(int)
    size = int(max(1, *true, *called, len(model.classes_) - 1)) + 1
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (true, called), 1)
    return pd.DataFrame(
        counts, index=pd.Index(range(size), name="true"), columns=pd.Index(range(size), name="called")
    )
