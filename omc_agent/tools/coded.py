"""Classes of which some are missing in training, for an estimator that wants the codes 0, 1, 2, ... whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone

Floats = NDArray[np.float64]


def lacks_classes(target: pd.Series[Any]) -> bool:
    """Whether a class code below the highest one does not occur.

    Examples
    --------
    >>> lacks_classes(pd.Series([0.0, 2.0])), lacks_classes(pd.Series([0.0, 1.0]))
    (True, False)
    """
    return bool(target.nunique() <= int(target.max()))


class CodedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that learns the classes that there are as 0, 1, 2, ... and answers in their own codes.

    Parameters
    ----------
    model : classifier
        Unfitted.

    Attributes
    ----------
    model_ : classifier
        Fitted.
    classes_ : array (classes,)
        The codes that occurred, sorted; the columns of `predict_proba`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rows = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    >>> fitted = CodedClassifier(LogisticRegression()).fit(rows, pd.Series([0.0, 0.0, 2.0, 2.0]))
    >>> fitted.classes_.tolist(), fitted.predict(rows).tolist()
    ([0.0, 2.0], [0.0, 0.0, 2.0, 2.0])
    """

    def __init__(self, model: BaseEstimator) -> None:
        self.model = model

    def fit(self, X: Any, y: Any) -> CodedClassifier:
        """Learn (rows, columns) and codes (rows,)."""
        self.classes_, code = np.unique(np.asarray(y, dtype=np.float64), return_inverse=True)
        self.model_ = clone(self.model).fit(X, code)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each class that occurred (rows, classes)."""
        return np.asarray(self.model_.predict_proba(X), dtype=np.float64)

    def predict(self, X: Any) -> Floats:
        """The most likely code of each row (rows,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)], dtype=np.float64)

    @property
    def feature_importances_(self) -> Floats:
        """Those of the fitted classifier (columns,)."""
        return np.asarray(self.model_.feature_importances_, dtype=np.float64)
