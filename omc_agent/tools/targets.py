"""What is to be predicted, made from bars by label time.

Every target is a *trailing quantity* (return, extreme, price or volatility over the past horizon) read at the
bar one horizon later. The naive rules are the same quantity read at earlier bars, so they are known at the
decision, which is the close of the bar.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta

import numpy as np
import pandas as pd

from omc_agent.brief import PRICE_TARGETS, parse_duration
from omc_agent.errors import DataError, UsageError
from omc_agent.tools.bars import DAY, Bars, Floats, Ints, floats, good_bars, roll


def parse_horizon(horizon: str | timedelta) -> pd.Timedelta:
    """A horizon as a `Timedelta`.

    Parameters
    ----------
    horizon : str or timedelta
        ISO 8601 (``"PT1H"``), the short forms ``"1h"``, ``"30min"``, ``"2d"``, or a timedelta.

    Returns
    -------
    pandas.Timedelta

    Raises
    ------
    UsageError
        ``usage.value`` when it cannot be read or is not longer than nothing.

    Examples
    --------
    >>> parse_horizon("30min") == parse_horizon("PT30M")
    True
    """
    try:
        if not isinstance(horizon, str | timedelta):
            raise TypeError
        if not isinstance(horizon, str):
            span = pd.Timedelta(horizon)
        elif re.match(r"\s*P", horizon, re.IGNORECASE):
            span = pd.Timedelta(parse_duration(horizon.strip().upper()))
        else:
            # pandas wants units in lower case, but for the day.
            span = pd.Timedelta(re.sub(r"(?<=[\d\s])d$", "D", horizon.strip().lower()))
    except (ValueError, TypeError, OverflowError):
        span = pd.Timedelta(0)
    # Not "<=": pandas reads "nan" as NaT, which is neither above nor below.
    if not span > pd.Timedelta(0):
        raise UsageError(
            "usage.value",
            given=f"The horizon was {horizon!r}.",
            have="A horizon is a length of time greater than zero.",
            try_='Try "1h", "30min" or "PT1H".',
        )
    return span


def make_target(
    prices: pd.DataFrame,
    target: str = "direction",
    horizon: str | timedelta = "1h",
    threshold: float | None = None,
) -> pd.DataFrame:
    """The target of each bar, and what two naive rules say about it.

    Labels are matched by time within a coin: the bar exactly one horizon on, never a count of rows. A label
    that needs a missing or bad bar (see `good_bars`) is NaN.

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC, open time) and `close`; `high` and `low` are used where present.
    target : str
        With h the horizon, c the close and t the bar:

        - ``direction``: 1.0 if c[t+h] > c[t], else 0.0 (equal prices are 0.0);
        - ``threshold``: 1.0 if the price moved by `threshold` or beyond within (t, t+h], by high or low
          where present, else close;
        - ``return``: c[t+h] / c[t] - 1, a fraction;
        - ``price``: c[t+h], in quote currency;
        - ``volatility``: standard deviation (n - 1) of log returns within (t, t+h], per bar; 1.0 or 0.0 for
          above `threshold`, when that is given.
    horizon : str or timedelta
        From decision (the close of bar t) to label; a whole number of bars.
    threshold : float, optional
        For ``threshold`` a signed fraction (0.01 up, -0.01 down). For ``volatility`` a level fitted on
        development rows, see `fit_median_volatility`.

    Returns
    -------
    DataFrame (rows, 4), index of `prices`
        - `label_end`: timestamp + horizon, NaT where the target is NaN;
        - `naive_last`: the same quantity over the last horizon, known at t (for ``direction`` the past
          return as a score; for ``threshold`` the past extreme, signed so that higher favours 1.0);
        - `naive_day`: the quantity that the label had one day earlier (as many days as the horizon
          takes, when that is longer than a day);
        - `target`.

    Raises
    ------
    UsageError
        ``usage.value`` for an unknown target, a missing threshold, or a horizon that is not whole bars.
    DataError
        When the frame is not a prices frame.

    Notes
    -----
    Realised volatility: Andersen, Bollerslev, Diebold and Labys (2003), Econometrica 71(2), here as a
    standard deviation per bar rather than a sum over the window.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="1h", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [100.0, 101.0, 101.0, 99.0]})
    >>> make_target(bars, "direction", "1h")["target"].tolist()
    [1.0, 0.0, 0.0, nan]
    """
    span, bars = parse_horizon(horizon), Bars.of(prices)
    _check_target(target, span, threshold, bars)
    h = span // pd.Timedelta(1, unit="us")
    close = np.where(good_bars(prices, bars), floats(prices, "close"), np.nan)
    past = _trailing(prices, bars, close, target, h, threshold)
    days = math.ceil(span / DAY) * (DAY // pd.Timedelta(1, unit="us"))
    label = _take(past, bars.at(h))
    # A label needs a price to decide at, also where the quantity itself does not use it.
    label[np.isnan(close)] = np.nan
    known = ~np.isnan(label)
    end = pd.Series(pd.to_datetime(bars.time + h, unit="us", utc=True), index=prices.index).where(known)
    return pd.DataFrame(
        {
            "label_end": end.astype("datetime64[us, UTC]"),
            "naive_last": past,
            "naive_day": _take(past, bars.at(h - days)),
            "target": np.where(known, _classes(label, target, threshold), np.nan),
        },
        index=prices.index,
    )


def fit_median_volatility(prices: pd.DataFrame, horizon: str | timedelta = "1h") -> float:
    """The median realised volatility over the horizon: a fit, for development rows only.

    Parameters
    ----------
    prices : DataFrame
        Development bars.
    horizon : str or timedelta
        Length of the volatility window.

    Returns
    -------
    float
        Standard deviation of log returns per bar; NaN windows are left out.

    Raises
    ------
    DataError
        ``data.too_few_rows`` when no window is complete.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=9, freq="5min", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [1.0, 1.1] * 4 + [1.0]})
    >>> round(fit_median_volatility(bars, "20min"), 3)
    0.11
    """
    level = make_target(prices, "volatility", horizon)["target"].to_numpy()
    level = level[~np.isnan(level)]
    if not len(level):
        raise DataError(
            "data.too_few_rows",
            given=f"No stretch of {parse_horizon(horizon)} without a missing bar is in {len(prices)} bars.",
            have="A median volatility needs at least one.",
            try_="Try a shorter horizon or a longer span.",
        )
    return float(np.median(level))


def _trailing(
    prices: pd.DataFrame, bars: Bars, close: Floats, target: str, h: int, threshold: float | None
) -> Floats:
    """The quantity of `target` over (t - h, t], known at t; NaN where a bar it needs is missing."""
    if target == "price":
        return close
    if bars.step is None:
        return np.full(len(close), np.nan)
    before = _take(close, bars.at(-h))
    if target in ("direction", "return"):
        return (close - before) / before
    window = bars.window(h // bars.step)
    if target == "volatility":
        return roll(bars.log_returns(close), window, "std")
    sign = math.copysign(1.0, threshold or 1.0)
    edge = floats(prices, "high" if sign > 0 else "low") if {"high", "low"} <= set(prices) else close
    edge = np.where(np.isnan(close), np.nan, edge)
    extreme = roll(edge, window, "max" if sign > 0 else "min")
    return sign * (extreme - before) / before


def _classes(label: Floats, target: str, threshold: float | None) -> Floats:
    if target == "direction":
        return (label > 0).astype(float)
    if target == "threshold" and threshold is not None:
        return (label >= abs(threshold)).astype(float)
    if target == "volatility" and threshold is not None:
        return (label > threshold).astype(float)
    return label


def _take(values: Floats, where: Ints) -> Floats:
    return np.where(where >= 0, values[where], np.nan) if len(values) else values


def _check_target(target: str, span: pd.Timedelta, threshold: float | None, bars: Bars) -> None:
    step = None if bars.step is None else pd.Timedelta(bars.step, unit="us")
    if target not in PRICE_TARGETS:
        problem, cure = f"The target was {target!r}.", f"Try one of {', '.join(PRICE_TARGETS)}."
    elif target == "threshold" and not (threshold and math.isfinite(threshold)):
        problem, cure = f"The threshold was {threshold!r}.", "Try 0.01 for a rise of 1 %, -0.01 for a fall."
    elif step is not None and span % step:
        problem, cure = f"The horizon {span} is no whole number of bars.", f"Try a multiple of {step}."
    elif target == "volatility" and step is not None and span < 2 * step:
        problem, cure = f"The horizon {span} holds one bar.", f"Try at least {2 * step} for a volatility."
    else:
        return
    have = f"The bars are {step} long." if step is not None else "Targets are made from bars."
    raise UsageError("usage.value", given=problem, have=have, try_=cure)
