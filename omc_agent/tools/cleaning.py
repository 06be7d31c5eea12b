"""Cleaning of bars: types, missing and impossible values, outliers; causal, row for row, and every change counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import PRICE_COLUMNS, Bars, Flags, Floats, good_bars
from omc_agent.tools.limits import Limits, outside, spikes

_NUMBERS = (*PRICE_COLUMNS, "volume")
_KINDS = ("typed", "unreadable", "infinite", "missing", "filled", "flagged", "clipped")


def clean_data(prices: pd.DataFrame, limits: Limits | None = None) -> pd.DataFrame:
    """Prices with bad bars replaced by the last good bar of their coin (kind: transform).

    A bar is bad where `close` is missing or not positive, where `high` < `low`, or where another price is not
    positive or went missing. Its price columns take the values of the coin's last good bar; bars before the
    first good one become NaN. Volume stays as it is, and no row is dropped or added.

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`. Numbers may be text or DECIMAL; text that is no number, and
        infinity, count as missing.
    limits : mapping, optional
        What `fit_limits` learned from development rows. Bars beyond them are flagged, and nothing is changed: a crash
        is not an error, and whoever took it out would be right for the wrong reason.

    Returns
    -------
    DataFrame, rows and index of `prices`
        All columns, numbers as float64, and the boolean `filled`: True where the bar's prices are not its own. With
        limits also the booleans `outlier` (moved further, or traded more, than is usual) and `spike` (the bar
        *before* jumped and was taken back at once: known only now, so it stands here). ``attrs["changes"]`` counts
        what was done to each column; see `count_changes`.

    Raises
    ------
    DataError
        When the frame is not a prices frame.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    >>> clean_data(pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [7.0, 0.0, 8.0]}))[
    ...     ["close", "filled"]
    ... ].to_dict("list")
    {'close': [7.0, 7.0, 8.0], 'filled': [False, True, False]}
    """
    bars, changes = Bars.of(prices), {}
    cleaned = prices.copy()
    for name in (name for name in _NUMBERS if name in prices.columns):
        cleaned[name], changes[name] = _as_numbers(prices[name])
    before = prices["filled"].to_numpy(dtype=bool) if "filled" in prices else np.zeros(len(prices), dtype=bool)
    good = good_bars(cleaned.drop(columns="filled", errors="ignore"), bars)
    source = np.maximum.accumulate(np.where(good, np.arange(len(prices)), -1)) if len(prices) else np.zeros(0, int)
    has_source = source >= bars.coin_start
    for name in (name for name in PRICE_COLUMNS if name in prices.columns):
        value = cleaned[name].to_numpy()
        cleaned[name] = np.where(has_source, value[source], np.nan)
        changes[name]["filled"] = _differs(cleaned[name].to_numpy(), value)
    cleaned["filled"] = before | (~good & has_source)
    if limits is not None:
        far, much = outside(cleaned, limits)
        cleaned["outlier"], cleaned["spike"] = far | much, spikes(cleaned, limits)
        changes["close"]["flagged"] = int(far.sum())
        if "volume" in changes:
            changes["volume"]["flagged"] = int(much.sum())
    cleaned.attrs = {**prices.attrs, "changes": changes}
    return cleaned


def count_changes(frame: pd.DataFrame) -> pd.DataFrame:
    """What cleaning or clipping did to each column, counted.

    Parameters
    ----------
    frame : DataFrame
        What `clean_data` or `clip_outliers` returned.

    Returns
    -------
    DataFrame (columns, 7), indexed by `column`
        Values that were ``typed`` (text or DECIMAL read as a number), ``unreadable`` (text that is none),
        ``infinite``, ``missing`` (as they came), ``filled`` (replaced by the last good bar's, or emptied before the
        first), ``flagged`` (beyond the limits, not changed), ``clipped``.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    >>> made = clean_data(pd.DataFrame({"coin": "BTC", "timestamp": times, "close": ["7", "none", "8"]}))
    >>> count_changes(made).loc["close", ["typed", "unreadable", "filled"]].tolist()
    [2, 1, 1]
    """
    changes = frame.attrs.get("changes", {})
    rows = [[int(found.get(kind, 0)) for kind in _KINDS] for found in changes.values()]
    return pd.DataFrame(rows, index=pd.Index(list(changes), name="column"), columns=list(_KINDS), dtype="int64")


def _as_numbers(column: pd.Series[Any]) -> tuple[Floats, dict[str, int]]:
    """The column as float64 without infinities, and what that took."""
    absent = column.isna().to_numpy()
    plain = pd.api.types.is_numeric_dtype(column) and column.dtype != object and "decimal" not in str(column.dtype)
    if plain:
        value = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    else:
        value = np.array([_number(one) for one in column], dtype=np.float64)
    endless = np.isinf(value)
    value[endless] = np.nan
    lost = np.isnan(value) & ~absent & ~endless
    typed = 0 if plain else int((~absent & ~lost & ~endless).sum())
    counts = {"typed": typed, "unreadable": int(lost.sum()), "infinite": int(endless.sum())}
    return value, {**counts, "missing": int(absent.sum())}


def _number(value: Any) -> float:
    """A number from text or DECIMAL: a comma between digits in threes is a thousands separator."""
    if isinstance(value, str):
        value = value.strip().replace(",", "")
    try:
        return float(value) if isinstance(value, str | int | float | Decimal | np.number) else float("nan")
    except (ValueError, TypeError, OverflowError):
        return float("nan")


def _differs(one: Floats, other: Floats) -> int:
    same: Flags = (one == other) | (np.isnan(one) & np.isnan(other))
    return int((~same).sum())
