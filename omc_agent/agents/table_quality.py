"""How the rows of a table are read, and whether its target can be learned at all: from development rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.column_kinds import read_columns
from omc_agent.tools.features import feature_columns
from omc_agent.tools.table_features import prepare_table


def table_reading(rows: pd.DataFrame, brief: dict[str, Any], facts: dict[str, Any], folds: int) -> dict[str, Any]:
    """Classes and kinds of columns for `prepare_table`.

    Parameters
    ----------
    rows : DataFrame (rows, columns)
        Development rows.
    brief : dict
        Fields of the `Brief`.
    facts : dict
        What is known of the rows: ``time``, ``group``, and of a series ``lags``, ``season`` and ``cycle``.
    folds : int
        Of the cross-validation: each class needs a row for each.

    Returns
    -------
    dict
        ``classes`` (None for regression) and ``kinds``; see `column_kinds.read_columns`.

    Raises
    ------
    DataError
        ``data.no_target``, ``data.constant`` or ``data.too_few_rows`` for a target that cannot be learned, or rows
        without a feature.
    """
    target, task = brief["target"], brief["task"]
    known = rows[target].dropna()
    _check_target(known, target, task)
    time = facts.get("time")
    group = facts.get("group")
    kinds = read_columns(rows, target, time, group)
    series = {name: facts[name] for name in ("lags", "season", "cycle") if name in facts}
    made = prepare_table(rows, target, time, task=task, kinds=kinds, group=group, **series)
    classes = made.attrs["classes"]
    if not feature_columns(made):
        raise DataError(
            "data.constant",
            given="No column beside the target can be learned from.",
            have=f"{', '.join(kinds) or 'There is none'}: constant, empty, or another value in every row.",
            try_="Try a table with columns that differ from row to row, and repeat.",
        )
    if classes is not None:
        _check_classes(made["target"], classes, target, folds)
    return {"classes": classes, "kinds": kinds}


def _check_target(known: pd.Series[Any], target: str, task: str) -> None:
    if known.nunique() < 2:
        have = f"It is {known.iloc[0]!r} in all {len(known):,} rows." if len(known) else "It has no value at all."
        raise DataError(
            "data.constant",
            given=f"The target {target!r} never changes.",
            have=have,
            try_="Try another column, or rows in which it differs.",
        )
    if task == "classification" and known.nunique() > max(2, len(known) // 2):
        raise DataError(
            "data.no_target",
            given=f"The target {target!r} has {known.nunique():,} different values in {len(known):,} rows.",
            have="Classes repeat; a value of its own in nearly every row is a name, not a class.",
            try_="Try another column; or say regression, where it holds numbers.",
        )


def _check_classes(code: pd.Series[Any], classes: list[Any], target: str, folds: int) -> None:
    counts = np.bincount(code.dropna().astype("int64"), minlength=len(classes))
    least = int(counts.min())
    if least < folds:
        name = classes[int(counts.argmin())]
        raise DataError(
            "data.too_few_rows",
            given=f"The class {name!r} of {target!r} has {least} rows.",
            have=f"Each of the {folds} folds needs one, beside those that are sealed.",
            try_="Try more rows, fewer folds, or put rare classes together.",
        )
