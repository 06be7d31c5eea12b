"""Series whose truth is known: autoregressive, seasonal, and growing."""

from __future__ import annotations

import numpy as np


def remembering(rows: int, memory: float, seed: int = 0) -> np.ndarray:
    """An AR(1) about 50: each value keeps `memory` of the one before."""
    noise = np.random.default_rng(seed).normal(size=rows)
    values = np.zeros(rows)
    for n in range(1, rows):
        values[n] = memory * values[n - 1] + noise[n]
    return values + 50


def seasonal(rows: int, season: int, seed: int = 0, trend: float = 0.0) -> np.ndarray:
    """A wave of that many rows with a little memory and noise, on a trend."""
    wave = 5 * np.sin(2 * np.pi * np.arange(rows) / season)
    return wave + 0.5 * remembering(rows, 0.6, seed) + trend * np.arange(rows)
