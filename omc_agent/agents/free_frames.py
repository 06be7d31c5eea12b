"""What a free cell may leave as `bars` and `features`: every row, the columns that say what it is, finite numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.agents.free_rules import ROWS
from omc_agent.tools.features import feature_columns

LoadFrame = Callable[[str], Awaitable[pd.DataFrame]]
_KEYS = ("coin", "timestamp", "close")


async def check_left(
    frames: Mapping[str, Any], values: Mapping[str, Any], state: Mapping[str, Any], load_frame: LoadFrame
) -> str | None:
    """What is wrong with the frames that a cell left, in one sentence or two; None when they may be kept."""
    for name in ROWS:
        if name in values:
            return f"{name} is no frame any more: leave a DataFrame with one row for each bar."
        if name not in frames:
            continue
        known = state.get("frames", {})
        base = str(state.get("sealed", {}).get("frame", "prices"))
        why = _rows(name, frames[name], base, known.get(base))
        if why is not None:
            return why
        made = await load_frame(str(frames[name]["sha"]))
        rows = await load_frame(str(known[base]["sha"])) if base in known else made
        old = await load_frame(str(known[name]["sha"])) if name in known else None
        why = await asyncio.to_thread(_frame, name, made, rows, old, base)
        if why is not None:
            return why
    return None


def _rows(name: str, ref: Mapping[str, Any], base: str, known: Mapping[str, Any] | None) -> str | None:
    if known is None or ref["rows"] == known["rows"]:
        return None
    return (
        f"{name} has {ref['rows']:,} rows, {base} has {known['rows']:,}. A transform cell keeps every row, in its"
        " place: leave NaN where a row has no value, and drop or repeat none."
    )


def _frame(name: str, made: pd.DataFrame, rows: pd.DataFrame, old: pd.DataFrame | None, base: str) -> str | None:
    if not made.index.equals(rows.index):
        return f"{name} has another index than {base}. Keep the index: no reset_index, sort or set_index at the end."
    return _keys(name, made, rows, old) or _values(name, made)


def _keys(name: str, made: pd.DataFrame, rows: pd.DataFrame, old: pd.DataFrame | None) -> str | None:
    """Columns that are not features say what a row is; they stay as they were."""
    if name == "features" and old is None and "target" not in made:
        return "features has no column target. Make features with the stage's own tool first, then add columns to it."
    before = rows if old is None else old
    keys = [key for key in _KEYS if key in before] if name == "bars" or old is None else _not_features(before)
    keys = [key for key in keys if key != "close" or name == "bars"]
    lost = [key for key in keys if key not in made]
    if lost:
        return f"{name} lost {', '.join(lost)}. Add columns to the frame that is there, and leave the others."
    other = [key for key in keys if not made[key].equals(before[key])]
    if other:
        return f"{name} has other values in {', '.join(other)}. These say what a row is, and are not changed."
    return None


def _not_features(frame: pd.DataFrame) -> list[str]:
    features = set(feature_columns(frame))
    return [str(column) for column in frame.columns if column not in features]


def _values(name: str, made: pd.DataFrame) -> str | None:
    numbers = made.select_dtypes("number")
    endless = [str(column) for column in numbers if np.isinf(numbers[column].to_numpy(dtype=float)).any()]
    if endless:
        return f"{name} is infinite in {', '.join(endless[:5])}. Leave NaN where something is divided by zero."
    words = [str(column) for column in feature_columns(made) if made[column].dtype.kind not in "biufM"]
    if name == "features" and "coin" in made and words:
        return f"{', '.join(words[:5])} of features hold text. A feature is a number."
    return None
