"""How names of the code are said to a person: metrics, models, rules; the same in a card, a report and a plot."""

from __future__ import annotations

METRICS = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R²",
    "mase": "MASE",
    "f1": "F1",
    "brier": "Brier score",
    "mae_skill": "MAE skill",
    "log_loss": "log loss",
    "log_loss_skill": "log-loss skill",
}


def metric_name(name: object) -> str:
    """A metric's name as the field writes it.

    Examples
    --------
    >>> metric_name("roc_auc"), metric_name("accuracy")
    ('ROC-AUC', 'accuracy')
    """
    return METRICS.get(str(name), plain_name(name))


def model_name(name: object) -> str:
    """A model's name as its makers write it.

    Examples
    --------
    >>> model_name("xgboost_tuned"), model_name("logistic_regression")
    ('XGBoost tuned', 'logistic regression')
    """
    return plain_name(name).replace("xgboost", "XGBoost")


def plain_name(name: object) -> str:
    """A name of the code as words: ``logistic_regression`` is said as two."""
    return str(name).replace("_", " ").strip()
