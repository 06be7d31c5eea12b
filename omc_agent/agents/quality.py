"""Whether the rows carry the goal at all, and what the person should know about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.brief import Brief
from omc_agent.errors import DataError

# Five walk-forward folds of at least one test block each, beside warm-up: less cannot be learned from.
MIN_BARS = 1_000
MIN_ROWS = 40
MIN_HORIZONS = 60


def check_rows(frame: pd.DataFrame, brief_values: dict[str, Any]) -> None:
    """Raise DataError when there are too few rows, or prices that never change."""
    brief = Brief.model_validate(brief_values)
    if not is_bars(frame):
        if len(frame) < MIN_ROWS:
            raise DataError(
                "data.too_few_rows",
                given=f"There {'is 1 row' if len(frame) == 1 else f'are {len(frame):,} rows'}.",
                have=f"Folds and a sealed holdout need at least {MIN_ROWS} rows.",
                try_="Try it with more rows.",
            )
        return
    if brief.task == "analysis":
        return
    most = 0
    for coin, bars in frame.groupby("coin", observed=True):
        most = max(most, len(bars))
        if not np.isfinite(bars["close"]).any():
            raise DataError(
                "data.constant",
                given=f"{coin} has no price in this span.",
                have=f"{len(bars):,} bars, all of them without a close that is a finite number.",
                try_="Choose another coin or span, or try another table.",
            )
        if bars["close"].nunique() <= 1 < len(bars):
            raise DataError(
                "data.constant",
                given=f"The price of {coin} never changes in this span.",
                have=f"{len(bars):,} bars, all {bars['close'].iloc[0]:g}.",
                try_="Choose another coin or span.",
            )
    needed = needed_bars(frame, brief)
    if most < needed:
        raise _too_few(most, needed, "bars a coin")


def is_bars(frame: pd.DataFrame) -> bool:
    """Whether the rows are bars of coins, rather than any table."""
    return {"coin", "timestamp", "close"} <= set(frame.columns)


def needed_bars(frame: pd.DataFrame, brief: Brief) -> int:
    """Bars a coin that learning and a verdict over the brief's horizon need at least."""
    bar = frame["timestamp"].drop_duplicates().sort_values().diff().median()
    per_horizon = max(1.0, brief.horizon_span / pd.Timedelta(bar).to_pytimedelta()) if pd.notna(bar) else 1.0
    return max(MIN_BARS if per_horizon > 1 else MIN_BARS // 2, int(MIN_HORIZONS * per_horizon))


def _too_few(have: int, needed: int, what: str) -> DataError:
    return DataError(
        "data.too_few_rows",
        given=f"There are {have:,} {what} in this span.",
        have=f"Learning and an honest verdict need at least {needed:,}.",
        try_="Use a longer span, a shorter horizon, or more data.",
    )


def quality_warnings(frame: pd.DataFrame, coins: list[str]) -> list[dict[str, Any]]:
    """What to tell of the rows before they are cut: nothing is changed here but order and duplicates."""
    notes: list[dict[str, Any]] = []
    if not is_bars(frame):
        return notes
    there = set(frame["coin"].unique())
    for asked in coins:
        if asked not in there:
            notes.append({"code": "unknown_coin", "text": f"{asked} is not in the table; going on without it."})
    if frame.attrs.get("duplicates"):
        count = frame.attrs["duplicates"]
        notes.append({"code": "duplicates", "text": f"{count:,} rows repeated a bar; the last of each was kept."})
    if count := frame.attrs.get("untimed"):
        notes.append({"code": "no_time_rows", "text": f"Rows without a readable time: {count:,}; they are left out."})
    if count := frame.attrs.get("coinless"):
        notes.append({"code": "no_coin_rows", "text": f"Rows that say no coin: {count:,}; they are left out."})
    for coin, bars in frame.groupby("coin", observed=True):
        notes += _coin_warnings(str(coin), bars)
    return notes


def _coin_warnings(coin: str, bars: pd.DataFrame) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = []
    steps = bars["timestamp"].diff().dropna()
    bar = steps.median()
    gaps = int((steps > bar).sum())
    if gaps:
        lost = int((steps[steps > bar] / bar - 1).sum())
        notes.append({"code": "gaps", "text": f"{coin}: {gaps:,} gaps, {lost:,} bars missing; windows and labels that"
                      " span a gap are left out."})  # fmt: skip
    bad = int((~((bars["close"] > 0) & np.isfinite(bars["close"]))).sum())
    if bad:
        text = f"{coin}: {bad:,} prices are zero, negative, infinite or missing; cleaning carries the last good price"
        notes.append({"code": "bad_prices", "column": "close", "text": f"{text} forward and flags the bar."})
    return notes
