"""C3: leaks planted in features, and causal features that must not be accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import signal

from omc_agent.tools import leakage
from omc_agent.tools.targets import make_target
from trust import simulated
from trust.replaying import find_leaks
from trust.seeds import seed_for

DAYS, CUTS, HORIZON = 20, 8, "PT1H"
Column = Callable[[pd.DataFrame, "pd.Series[Any]"], Any]


def _close(p: pd.DataFrame) -> pd.Series[Any]:
    return p["close"]


def _moves(p: pd.DataFrame) -> pd.Series[Any]:
    return np.log(p["close"]).diff().fillna(0.0)


def _hourly(p: pd.DataFrame, direction: Any) -> Any:
    """A quantity published once in 50 minutes, joined by time."""
    side = p.loc[p.index % 10 == 0, ["timestamp", "close"]].rename(columns={"close": "side"})
    return pd.merge_asof(p[["timestamp"]], side, on="timestamp", direction=direction)["side"].to_numpy()


def _smoothed(values: pd.Series[Any]) -> Any:
    found = np.fft.rfft(values.to_numpy())
    found[len(found) // 10 :] = 0
    return np.fft.irfft(found, len(values))


def _component(p: pd.DataFrame) -> Any:
    table = p[["open", "high", "low", "close", "volume"]].to_numpy()
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    axis = np.linalg.svd(table, full_matrices=False)[2][0]
    return table @ (axis * np.sign(axis[3]))


def _encoded(p: pd.DataFrame, y: pd.Series[Any]) -> Any:
    return y.groupby(p["timestamp"].dt.hour).transform("mean")


LEAKS: dict[str, Column] = {
    "centred mean": lambda p, y: _close(p).rolling(25, center=True, min_periods=1).mean(),
    "shift(-1)": lambda p, y: _close(p).shift(-1),
    "shift(-12)": lambda p, y: _close(p).shift(-12),
    "resample, left label": lambda p, y: _close(p).groupby(p["timestamp"].dt.floor("h")).transform("last"),
    "z-score of the frame": lambda p, y: (_close(p) - _close(p).mean()) / _close(p).std(),
    "rank in the frame": lambda p, y: _close(p).rank(pct=True),
    "quantile bins of the frame": lambda p, y: pd.qcut(_close(p), 20, labels=False).astype(float),
    "clip by quantiles": lambda p, y: _moves(p).clip(*_moves(p).quantile([0.05, 0.95])),
    "principal component": lambda p, y: _component(p),
    "target encoding": _encoded,
    "FFT smoothing": lambda p, y: _smoothed(_close(p)),
    "reversed EWM": lambda p, y: _close(p)[::-1].ewm(span=20).mean()[::-1],
    "target copied": lambda p, y: y,
    "target rolled": lambda p, y: y.rolling(12).mean(),
    "target lagged by 11": lambda p, y: y.shift(11),
    "as-of join, forward": lambda p, y: _hourly(p, "forward"),
    "as-of join, nearest": lambda p, y: _hourly(p, "nearest"),
    "high of the day": lambda p, y: p.groupby(p["timestamp"].dt.date)["high"].transform("max"),
    "length of the frame": lambda p, y: pd.Series(float(len(p)), index=p.index),
    "backward fill over gaps": lambda p, y: p["funding"].bfill(),
    "interpolation over gaps": lambda p, y: p["funding"].interpolate(),
    "scaler fitted in the cell": lambda p, y: (p["volume"] - p["volume"].min()) / np.ptp(p["volume"]),
}
CAUSAL: dict[str, Column] = {
    "lag": lambda p, y: _close(p).shift(3),
    "return": lambda p, y: _close(p).pct_change(12),
    "rolling mean": lambda p, y: _close(p).rolling(48).mean(),
    "rolling deviation": lambda p, y: _moves(p).rolling(48).std(),
    "rolling skew": lambda p, y: _moves(p).rolling(100).skew(),
    "rolling kurtosis": lambda p, y: _moves(p).rolling(100).kurt(),
    "rolling correlation": lambda p, y: _moves(p).rolling(60).corr(p["volume"]),
    "rolling rank": lambda p, y: _close(p).rolling(60).rank(),
    "rolling median": lambda p, y: _close(p).rolling(31).median(),
    "rolling extreme": lambda p, y: p["high"].rolling(288).max(),
    "EWM": lambda p, y: _close(p).ewm(span=5000).mean(),
    "expanding z": lambda p, y: (_close(p) - _close(p).expanding().mean()) / _close(p).expanding().std(),
    "recursive filter": lambda p, y: signal.lfilter([0.1], [1, -0.9], _moves(p)),
    "convolution by FFT": lambda p, y: signal.fftconvolve(_moves(p), np.ones(24) / 24)[: len(p)],
    "target lagged by the horizon": lambda p, y: y.shift(12),
    "as-of join, backward": lambda p, y: _hourly(p, "backward"),
    "forward fill over gaps": lambda p, y: p["funding"].ffill(),
}


def bars_with_gaps(seed: int) -> pd.DataFrame:
    """A walk with a column `funding` that is missing now and then, in short runs (0.5 % of the bars)."""
    bars = simulated.walk(DAYS, seed)
    rng = np.random.default_rng([seed, 9])
    funding = pd.Series(rng.normal(size=len(bars))).rolling(20, min_periods=1).mean()
    for begin in rng.choice(len(bars) - 10, 6, replace=False):
        funding.iloc[begin : begin + 5] = np.nan
    return bars.assign(funding=funding.to_numpy())


def cell_of(columns: dict[str, Column], drop: bool = False) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A feature cell with these columns; with `drop` it leaves out rows whose target is not known yet."""

    def make(prices: pd.DataFrame) -> pd.DataFrame:
        target = make_target(prices, "direction", HORIZON)
        made = {name: column(prices, target["target"]) for name, column in columns.items()}
        head = {"timestamp": prices["timestamp"], "label_end": target["label_end"]}
        frame = pd.DataFrame({**head, **made, "target": target["target"]}, index=prices.index)
        return frame[frame["target"].notna()] if drop else frame

    return make


def accused(rows: pd.DataFrame, columns: dict[str, Column], drop: bool = False) -> set[str]:
    """The columns that the leak test names."""
    make = cell_of(columns, drop)
    cuts = leakage.cut_points(rows, k=CUTS, seed=0)
    return {finding.column for finding in find_leaks(make, rows, make(rows), cuts, HORIZON)}


def one_seed(seed: int) -> dict[str, Any]:
    """Which leaks were missed and which causal columns accused, with and without `dropna` in the cell."""
    rows = bars_with_gaps(seed)
    found, dropped = accused(rows, LEAKS), accused(rows, LEAKS, drop=True)
    return {
        "seed": seed,
        "missed": sorted(set(LEAKS) - found),
        "missed_after_dropna": sorted(set(LEAKS) - dropped),
        "false_alarms": sorted(accused(rows, CAUSAL)),
        "threshold_found": _threshold(rows),
    }


def _threshold(rows: pd.DataFrame) -> bool:
    """Whether a target above the median of the very frame is found."""

    def make(prices: pd.DataFrame) -> pd.DataFrame:
        level = make_target(prices, "volatility", HORIZON)
        above = (level["target"] > level["target"].median()).astype(float).where(level["target"].notna())
        return pd.DataFrame({"timestamp": prices["timestamp"], "label_end": level["label_end"], "target": above})

    return bool(find_leaks(make, rows, make(rows), leakage.cut_points(rows, k=CUTS, seed=0), HORIZON))


def run(base: int, seeds: int = 5) -> list[dict[str, Any]]:
    """Every kind at every seed."""
    return [one_seed(seed_for(base, "leak", n)) for n in range(seeds)]
