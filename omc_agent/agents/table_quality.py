"""How the rows of a table are read, and whether its target can be learned at all: from development rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.column_kinds import LEAST_ROWS, as_numbers, names_rows, read_columns
from omc_agent.tools.features import feature_columns
from omc_agent.tools.table_features import prepare_table

# Below this share of the rows a class is told of; with more classes than two it is shared among the others.
RARE = 0.10


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
    time = facts.get("time")
    group = facts.get("group")
    _check_values(rows[target].dropna(), target, task, in_time=time is not None)
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


def check_target(
    frame: pd.DataFrame, brief: dict[str, Any], left: dict[str, str], withheld: Sequence[str] = ()
) -> None:
    """Raise ``data.no_target`` where the brief's target is no column that can be read.

    `left`: see `plain_frame`; `withheld`: see `secret_columns`.
    """
    target = brief["target"]
    if brief["task"] == "analysis" or target in frame.columns:
        return
    if target in withheld:
        raise DataError(
            "data.no_target",
            given=f"The target column {target!r} is named as a secret.",
            have="What is named so is withheld, unless a person allows it.",
            try_=f"Name it with --target {target}, or set AgentSettings.allow_columns.",
        )
    if target in left:
        raise DataError(
            "data.no_target",
            given=f"The target column {target!r} holds values of the type {left[target]}.",
            have="Numbers, words and truth values can be predicted.",
            try_="Name another column with --target.",
        )
    raise DataError(
        "data.no_target",
        given=f"The target column {target!r} is not there.",
        have=f"Columns: {', '.join(map(str, frame.columns[:30])) or 'there is none'}.",
        try_="Name one of them with --target.",
    )


def target_notes(rows: pd.DataFrame, classes: list[Any] | None, brief: dict[str, Any]) -> list[dict[str, Any]]:
    """What to tell of the target: rows without it, and a class that is rare.

    Parameters
    ----------
    rows : DataFrame (rows, columns)
        Development rows.
    classes : list or None
        As `table_reading` gives them.
    brief : dict
        Fields of the `Brief`.
    """
    target = str(brief["target"])
    column = rows[target]
    numbers = pd.api.types.is_numeric_dtype(column)
    known = column.notna() & (as_numbers(column).notna() if numbers else True)  # type: ignore[union-attr]
    notes = []
    if missing := int((~known).sum()):
        text = f"{target} is missing or infinite in {missing:,} of {len(rows):,} rows; nothing is learned from them."
        notes.append({"code": "no_target_rows", "column": target, "text": text})
    if classes is not None and len(classes) > 1:
        share = column[known].value_counts(normalize=True)
        name, least = share.index[-1], float(share.iloc[-1])
        if least < RARE / (len(classes) - 1):
            text = _imbalance(target, name, least, len(classes))
            notes.append({"code": "imbalance", "column": target, "text": text})
    return notes


def _imbalance(target: str, name: Any, share: float, classes: int) -> str:
    said = f"The class {name!r} of {target} is rare: {100 * share:.2g} % of the rows. "
    if classes > 2:
        return f"{said}Accuracy says little of it; see the confusion matrix, and recall and precision of that class."
    usual, base = f"{100 * (1 - share):.3g} %", f"{share:.2g}"
    return (
        f"{said}Always saying the other class is right in {usual}, so accuracy says little; read PR-AUC, which is"
        f" {base} (the base rate) for a model that knows nothing."
    )


def _check_values(known: pd.Series[Any], target: str, task: str, *, in_time: bool) -> None:
    if pd.api.types.is_numeric_dtype(known):
        known = known[np.isfinite(known.to_numpy(dtype=np.float64))]
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
    numbers = None if in_time or task != "regression" or len(known) < LEAST_ROWS else as_numbers(known)
    if numbers is not None and numbers.is_unique and numbers.notna().all() and names_rows(numbers, target):
        raise DataError(
            "data.no_target",
            given=f"The target {target!r} has another whole number in each of {len(known):,} rows.",
            have="Such a number names rows, and says nothing that could be learned.",
            try_="Try another column.",
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
