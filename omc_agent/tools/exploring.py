"""A first look at the bars: figures, gaps, price and volatility."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import DAY, Bars, Floats, good_bars
from omc_agent.tools.plots import colour, house_style, label_dates, label_wide_range, new_axes, thin

_YEAR = pd.Timedelta(days=365)


def perform_eda(prices: pd.DataFrame, plots: bool = True) -> pd.DataFrame:
    """A first look at the bars: one row of figures a coin, and two open plots.

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`.
    plots : bool
        Draw the price over time, and the volatility by hour of day (a histogram of returns for bars of a day
        or longer). The figures stay open: a notebook shows them at the end of the cell.

    Returns
    -------
    DataFrame (coins, 14), indexed by `coin`
        `rows`, `start`, `end` (UTC, open times), `gaps` (interruptions), `missing_bars`, `bad_bars` (no usable
        price, or filled), and of the log returns between neighbouring good bars `return_mean`, `return_sd` (per
        bar), `skew`, `kurtosis` (excess), `annual_volatility` (sd times the root of bars in 365 days),
        `autocorrelation_1`, `autocorrelation_12`, and `moved` (last over first good close, minus 1). NaN
        where there are too few bars.

    Raises
    ------
    DataError
        When the frame is not a prices frame.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    >>> look = perform_eda(pd.DataFrame({"coin": "BTC", "timestamp": times, "close": 2.0}), plots=False)
    >>> look[["rows", "gaps", "missing_bars"]].loc["BTC"].tolist()
    [3, 0, 0]
    """
    bars = Bars.of(prices)
    good = good_bars(prices, bars)
    close = np.where(good, prices["close"].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
    returns = bars.log_returns(close)
    names = prices["coin"].to_numpy()
    table = {str(names[begin]): _figures(prices, bars, close, returns, begin, end) for begin, end in bars.blocks()}
    if plots and table:
        with house_style():
            _plot_price(prices, bars, close)
            _plot_returns(bars, returns, names)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("coin")


def _figures(
    prices: pd.DataFrame, bars: Bars, close: Floats, returns: Floats, begin: int, end: int
) -> dict[str, Any]:
    delta, step = np.diff(bars.time[begin:end]), bars.step or 1
    move = pd.Series(returns[begin:end])
    known = close[begin:end][np.isfinite(close[begin:end])]
    sd = float(move.std())
    return {
        "rows": end - begin,
        "start": pd.Timestamp(int(bars.time[begin]), unit="us", tz="UTC"),
        "end": pd.Timestamp(int(bars.time[end - 1]), unit="us", tz="UTC"),
        "gaps": int((delta > step).sum()),
        "missing_bars": int(np.maximum(delta // step - 1, 0).sum()),
        "bad_bars": int(end - begin - len(known)),
        "return_mean": float(move.mean()),
        "return_sd": sd,
        "skew": float(move.skew()),  # type: ignore[arg-type]
        "kurtosis": float(move.kurt()),  # type: ignore[arg-type]
        "annual_volatility": sd * np.sqrt(_YEAR / pd.Timedelta(step, unit="us")),
        "autocorrelation_1": _autocorrelation(move, 1),
        "autocorrelation_12": _autocorrelation(move, 12),
        "moved": float(known[-1] / known[0] - 1) if len(known) else np.nan,
    }


def _autocorrelation(values: pd.Series[Any], lag: int) -> float:
    # Series.autocorr warns where a side is constant or empty; here that is NaN.
    pair = pd.concat([values, values.shift(lag)], axis=1).dropna().to_numpy()
    if len(pair) < 3 or np.ptp(pair, axis=0).min() == 0:
        return float("nan")
    return float(np.corrcoef(pair[:, 0], pair[:, 1])[0, 1])


def _plot_price(prices: pd.DataFrame, bars: Bars, close: Floats) -> None:
    blocks = bars.blocks()
    alone = len(blocks) == 1
    coin = str(prices["coin"].iloc[0])
    title = f"{coin}, close" if alone else "Close, each coin's first bar = 100"
    _, axes = new_axes(title, "time (UTC)", "price (quote currency)" if alone else "price (index)")
    for place, (begin, end) in enumerate(blocks):
        known = begin + np.flatnonzero(np.isfinite(close[begin:end]))
        if not len(known):
            continue
        shown = known[thin(len(known))]
        level = close[shown] if alone else 100 * close[shown] / close[known[0]]
        times = bars.time[shown].astype("datetime64[us]")
        axes.plot(times, level, color=colour(place), label=str(prices["coin"].iloc[begin]))
    label_dates(axes)
    if not alone:
        label_wide_range(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _plot_returns(bars: Bars, returns: Floats, names: Any) -> None:
    if bars.step is not None and pd.Timedelta(bars.step, unit="us") >= DAY:
        _, axes = new_axes("Returns", "log return per bar (%)", "share of bars (%)")
    else:
        _, axes = new_axes("Volatility by hour of day", "hour (UTC)", "sd of returns (basis points per bar)")
        axes.set_xticks(range(0, 24, 3))
    hour = (bars.time // 3_600_000_000) % 24
    for place, (begin, end) in enumerate(bars.blocks()):
        move = pd.Series(returns[begin:end]).dropna()
        label: dict[str, Any] = {"color": colour(place), "label": str(names[begin])}
        if axes.get_title(loc="left") == "Returns":
            weights = np.full(len(move), 100 / max(len(move), 1))
            axes.hist(100 * move, bins=60, weights=weights, histtype="step", **label)
        else:
            by_hour = move.groupby(hour[begin:end][move.index]).std()
            axes.plot(by_hour.index, 1e4 * by_hour, marker="o", markersize=4, **label)
    axes.set_ylim(0, axes.dataLim.ymax * 1.08 or 1)
    if len(bars.blocks()) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
