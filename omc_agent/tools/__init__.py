"""What can be done: pure functions, frames in, frames and small results out.

Usable in a person's own cell (``from omc_agent.tools import *``) and, through the agent, in the sandbox. Imports
are lazy so that the host loads only what it needs; data tools open a database and so stay on the host.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "data": ("get_available_coins", "get_data_statistics", "fetch_price_data", "fetch_table", "query"),
    "cleaning": ("clean_data", "count_changes"),
    "limits": ("fit_limits", "clip_outliers"),
    "exploring": ("perform_eda",),
    "distributions": ("show_distributions", "show_correlations"),
    "indicators": ("calculate_technical_indicators",),
    "features": ("create_features", "drop_columns"),
    "table_features": ("prepare_table",),
    "time_column": ("order_in_time",),
    "splits": ("last_fold", "WalkForward"),
    "purged_folds": ("PurgedKFold",),
    "targets": ("fit_median_volatility", "make_target"),
    "modeling": ("train_classification_model", "train_regression_model"),
    "fitting": ("predict", "predict_frame"),
    "cross_validation": ("cross_validate_model",),
    "model_files": ("save_model", "load_model"),
    "evaluation": ("evaluate_model", "compare_models"),
    "confusion": ("confusion_table",),
    "own_importance": ("model_importance",),
    "importance": ("calculate_feature_importance",),
    "tuning": ("tune_hyperparameters",),
    "reporting": ("generate_summary", "create_comparison_report", "generate_recommendations"),
}
_HOST_ONLY = _HOMES["data"]
_WHERE = {name: home for home, names in _HOMES.items() for name in names}

# `import *` is what the sandbox does, and the sandbox has no database.
__all__ = [name for name in _WHERE if name not in _HOST_ONLY]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"omc_agent.tools.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'omc_agent.tools' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_WHERE)
