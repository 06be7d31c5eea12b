"""What trading on the predictions would have earned on the sealed rows: an envelope's back, no equity curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from omc_agent.tools.bars import epoch_us
from omc_agent.tools.targets import parse_horizon

TRADED = ("direction", "threshold", "return")
_BASIS_POINTS = 10_000
_LEAST_TRADES = 10


def back_of_envelope(
    rows: pd.DataFrame,
    *,
    target: str,
    horizon: str,
    threshold: float | None = None,
    fees: float = 10.0,
    slippage: float = 0.0,
) -> dict[str, Any]:
    """Mean gross of a trade that is held for one horizon, and what its two sides cost.

    Parameters
    ----------
    rows : DataFrame (n, ...)
        `timestamp` (UTC), `coin`, `prediction`, and `forward`: the return over the horizon, a fraction. Rows with a
        NaN in either do not count.
    target : str
        ``direction``: long from a probability of one half on, else short. ``threshold``: a trade towards the
        threshold from one half on, else none. ``return``: long above zero, short below.
    horizon : str
        How long a trade is held.
    threshold : float, optional
        Signed fraction.
    fees, slippage : float
        Basis points a side; a trade has two.

    Returns
    -------
    dict
        ``trades``, ``gross``, ``low``, ``high`` (95 % interval of the mean), ``cost`` and ``net``, in basis points
        a trade. Empty for another target, or for fewer than ten trades.

    Notes
    -----
    Trades of a coin do not overlap: the next begins when the last has ended. Those of several coins at one time
    are averaged before the interval is made.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=240, freq="5min", tz="UTC")
    >>> rows = pd.DataFrame({"timestamp": times, "coin": "BTC", "prediction": 0.6, "forward": 0.0001})
    >>> found = back_of_envelope(rows, target="direction", horizon="PT1H")
    >>> found["trades"], round(found["gross"], 6), found["cost"], round(found["net"], 6)
    (20, 1.0, 20.0, -19.0)
    """
    if target not in TRADED or not {"forward", "timestamp", "coin"} <= set(rows.columns):
        return {}
    known = rows[rows["prediction"].notna() & rows["forward"].notna()]
    known = known.assign(side=_sides(known["prediction"].to_numpy(float), target, threshold))
    known = known[known["side"] != 0].sort_values("timestamp", kind="stable")
    span = int(parse_horizon(horizon) / pd.Timedelta(1, unit="us"))
    taken = [part.iloc[_apart(epoch_us(part["timestamp"]), span)] for _, part in known.groupby("coin", sort=True)]
    trades = pd.concat(taken) if taken else known
    if len(trades) < _LEAST_TRADES:
        return {}
    gross = _BASIS_POINTS * trades["side"] * trades["forward"]
    each = gross.groupby(trades["timestamp"].array).mean()
    mean, cost = float(gross.mean()), 2 * (fees + slippage)
    reach = float("nan")
    if len(each) > 1:
        reach = float(t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each)))
    low, high = (None, None) if np.isnan(reach) else (mean - reach, mean + reach)
    return {"trades": len(trades), "gross": mean, "low": low, "high": high, "cost": cost, "net": mean - cost}


def cost_sentence(found: dict[str, Any], horizon: str) -> str:
    """The envelope in words; empty for none.

    Examples
    --------
    >>> cost_sentence({}, "PT1H")
    ''
    """
    if not found:
        return ""
    unit = {"PT1H": "hour-trade", "P1D": "day-trade"}.get(horizon, "trade of one horizon")
    interval = "" if found["low"] is None else f" ({found['low']:+.1f} to {found['high']:+.1f})"
    if found["net"] > 0 and (found["low"] or 0) > found["cost"]:
        end = "That is more than the costs, on these rows; spread, delay and the size of orders are not in it."
    elif found["net"] > 0:
        end = "That is above the costs, but within noise of them."
    else:
        end = "That does not pay the costs."
    return (
        f"Traded on blindly, it earns {found['gross']:+.1f}{interval} bp per {unit} before {found['cost']:g} bp of "
        f"fees and slippage, over {found['trades']:,} trades that do not overlap. {end}"
    )


def _sides(prediction: NDArray[np.float64], target: str, threshold: float | None) -> NDArray[np.float64]:
    if target == "return":
        return np.sign(prediction)
    if target == "direction":
        return np.where(prediction >= 0.5, 1.0, -1.0)
    return np.where(prediction >= 0.5, np.sign(threshold or 0.0), 0.0)


def _apart(times: NDArray[np.int64], span: int) -> list[int]:
    """Positions, each at least `span` after the one before."""
    taken, free = [], -(2**62)
    for place, at in enumerate(times):
        if at >= free:
            taken.append(place)
            free = int(at) + span
    return taken
