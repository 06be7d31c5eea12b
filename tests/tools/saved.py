"""Bars saved as files."""

from __future__ import annotations

import numpy as np
import pandas as pd


def frame(rows=50, coin="BTC"):
    times = pd.date_range("2024-01-01", periods=rows, freq="5min")
    close = 100 + np.arange(rows, dtype=float)
    made = pd.DataFrame({"coin": coin, "timestamp": times, "open": close, "high": close + 1, "low": close - 1})
    return made.assign(close=close, volume=1.0)


def save(made, path):
    if path.name.endswith((".csv", ".csv.gz")):
        made.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        made.to_parquet(path)
    else:
        made.to_feather(path)
    return path
