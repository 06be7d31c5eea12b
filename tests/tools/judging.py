"""Rows to judge, with known skill, and the judge."""

from __future__ import annotations

import numpy as np
import pandas as pd

from omc_agent.tools.verdict import Verdict, call_verdict


def scored(seed: int, bars: int = 4000, skill: float = 0.0, coins: int = 1, start: int = 0) -> pd.DataFrame:
    """Rows whose labels overlap for twelve bars; `skill` is how much the prediction knows of the next hour."""
    rng = np.random.default_rng(seed)
    parts = []
    for coin in range(coins):
        price = np.cumsum(rng.standard_t(5, size=bars + 24) * 0.001)
        change, past = price[24:] - price[12:-12], price[12:-12] - price[:-24]
        blur = np.convolve(rng.normal(size=bars + 23), np.ones(24) / np.sqrt(24), "valid")
        signal = skill * change / change.std() + blur
        times = pd.date_range("2024-01-01", periods=start + bars, freq="5min", tz="UTC", unit="us")[start:]
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": times,
                    "coin": f"C{coin}",
                    "target": (change > 0).astype(float),
                    "change": change,
                    "prediction": 1 / (1 + np.exp(-(0.1 + 0.7 * skill) * signal)),
                    "naive_last": past,
                    "naive_day": rng.permutation(past),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def judge(sealed: pd.DataFrame, development: pd.DataFrame, **changes) -> Verdict:
    arguments = {"task": "classification", "horizon": "1h", "claimed": None, "trials": 1} | changes
    return call_verdict(sealed, development, **arguments)


def as_regression(rows: pd.DataFrame, skill: float) -> pd.DataFrame:
    noise = np.random.default_rng(len(rows)).normal(size=len(rows)) * rows["change"].std()
    return rows.assign(target=rows["change"], prediction=skill * rows["change"] + 0.05 * noise)
