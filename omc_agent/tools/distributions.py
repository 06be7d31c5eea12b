"""How returns are distributed, and what moves together: frames, and the pictures of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import Bars, Floats, floats, good_bars
from omc_agent.tools.plots import colour, house_style, new_axes

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
LAGS = (1, 2, 3, 6, 12)


def show_distributions(prices: pd.DataFrame, plots: bool = True) -> pd.DataFrame:
    """Quantiles of the returns of each coin, and a picture of their distribution.

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`.
    plots : bool
        Draw a histogram of the returns within their central 99 %, beside a normal curve of the same spread. The
        figure stays open.

    Returns
    -------
    DataFrame (coins, 11), indexed by `coin`
        Of the log returns between neighbouring good bars: ``bars`` (how many), a column for each quantile of
        ``QUANTILES`` (as ``q0.05``), and ``beyond_3_sd``: the share further than three standard deviations from the
        mean (0.0027 if they were normal). NaN without a return.

    Raises
    ------
    DataError
        When the frame is not a prices frame.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [1.0, np.e, 1.0]})
    >>> show_distributions(bars, plots=False).loc["BTC", ["bars", "q0.5"]].tolist()
    [2.0, 0.0]
    """
    moves = _returns(prices)
    table = {}
    for coin, move in moves.items():
        known = move[np.isfinite(move)]
        quantiles = np.quantile(known, QUANTILES) if len(known) else np.full(len(QUANTILES), np.nan)
        sd = known.std() if len(known) else 0.0
        far = float((np.abs(known - known.mean()) > 3 * sd).mean()) if sd > 0 else float("nan")
        named = {f"q{level}": value for level, value in zip(QUANTILES, quantiles, strict=True)}
        table[coin] = {"bars": len(known), **named, "beyond_3_sd": far}
    if plots and table:
        with house_style():
            _plot_distribution(moves)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("coin")


def show_correlations(prices: pd.DataFrame, plots: bool = True) -> pd.DataFrame:
    """Correlations of what moves at the same time, and a picture of them.

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`.
    plots : bool
        Draw them as a map of colours. The figure stays open.

    Returns
    -------
    DataFrame (n, n)
        For several coins: of their log returns at the same times. For one coin: of its return, its size (absolute
        return), volume (log) and range where present, and the returns 1, 2, 3, 6 and 12 bars before. NaN where fewer
        than three bars are known of both, or one stands still.

    Raises
    ------
    DataError
        When the frame is not a prices frame.

    Notes
    -----
    Pearson's coefficient, over pairs of which both are known. It is a description of these rows and no test.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=5, freq="5min", tz="UTC")
    >>> one = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [1.0, 2.0, 1.0, 3.0, 1.0]})
    >>> both = pd.concat([one, one.assign(coin="ETH", close=1 / one["close"])], ignore_index=True)
    >>> show_correlations(both, plots=False).loc["BTC", "ETH"].round(6)
    np.float64(-1.0)
    """
    moves = _returns(prices)
    if len(moves) > 1:
        wide = pd.DataFrame({coin: pd.Series(move, index=_times(prices, coin)) for coin, move in moves.items()})
        title = "Correlation of returns between coins"
    else:
        wide = _beside(prices, next(iter(moves.values()), np.zeros(0)))
        title = "Correlation within bars, and with returns before"
    # A column that stands still has no correlation; numpy would warn of the division.
    moving = wide.loc[:, [wide[name].nunique() > 1 for name in wide.columns]]
    table = moving.corr(min_periods=3).reindex(index=wide.columns, columns=wide.columns)
    if plots and len(table) > 1:
        with house_style():
            _plot_map(table, title)
    return table


def _returns(prices: pd.DataFrame) -> dict[str, Floats]:
    bars = Bars.of(prices)
    close = np.where(good_bars(prices, bars), floats(prices, "close"), np.nan)
    moves, names = bars.log_returns(close), prices["coin"].to_numpy()
    return {str(names[begin]): moves[begin:end] for begin, end in bars.blocks()} if len(prices) else {}


def _times(prices: pd.DataFrame, coin: str) -> pd.Series[Any]:
    return prices.loc[prices["coin"].astype(str) == coin, "timestamp"]


def _beside(prices: pd.DataFrame, move: Floats) -> pd.DataFrame:
    made = {"return": move, "size": np.abs(move)}
    if "volume" in prices.columns:
        volume = floats(prices, "volume")
        made["volume"] = np.log(np.where(volume > 0, volume, np.nan))
    if {"high", "low"} <= set(prices.columns):
        close = floats(prices, "close")
        made["range"] = (floats(prices, "high") - floats(prices, "low")) / np.where(close > 0, close, np.nan)
    before = {f"return {lag} before": pd.Series(move).shift(lag).to_numpy() for lag in LAGS}
    return pd.DataFrame(made | before)


def _plot_distribution(moves: dict[str, Floats]) -> None:
    import seaborn as sns

    _, axes = new_axes("Distribution of returns, central 99 %", "log return per bar (%)", "density (1 / %)")
    for place, (coin, move) in enumerate(moves.items()):
        known = 100 * move[np.isfinite(move)]
        if len(known) < 3 or known.std() == 0:
            continue
        low, high = np.quantile(known, [0.005, 0.995])
        shown = known[(known >= low) & (known <= high)]
        sns.histplot(x=shown, stat="density", element="step", fill=len(moves) == 1, bins=60, ax=axes, label=coin,
                     color=colour(place))  # fmt: skip
        if len(moves) == 1:
            at = np.linspace(low, high, 200)
            bell = np.exp(-0.5 * ((at - known.mean()) / known.std()) ** 2) / (known.std() * np.sqrt(2 * np.pi))
            axes.plot(at, bell, color=colour(1), label="normal, same spread")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _plot_map(table: pd.DataFrame, title: str) -> None:
    import seaborn as sns

    figure, axes = new_axes(title, "", "")
    figure.set_figheight(1.2 + 0.32 * len(table))
    sns.heatmap(table, vmin=-1, vmax=1, cmap="RdBu_r", annot=True, fmt=".2f", annot_kws={"size": 7.5}, ax=axes,
                cbar_kws={"label": "correlation"})  # fmt: skip
    axes.grid(False)
