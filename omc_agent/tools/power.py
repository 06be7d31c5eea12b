"""What a span can show, said before anything runs: the smallest edge, and whether a verdict is possible at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scipy.stats import norm

from omc_agent.brief import Brief
from omc_agent.tools.bootstrap import LEAST_BLOCKS
from omc_agent.tools.rule import ALPHA, DELTA_AUC
from omc_agent.tools.targets import parse_horizon

BLOCK_HORIZONS = 5
NEEDED_HORIZONS = LEAST_BLOCKS * BLOCK_HORIZONS
# Horizons that one independent row takes: overlapping labels are worth a little more than one row a horizon.
ROW_HORIZONS = 0.6
FOUND = 0.8
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


@dataclass(frozen=True)
class SpanPower:
    """What a span can show.

    Attributes
    ----------
    days : float
        Length of the whole span.
    horizon : timedelta
        From decision to label.
    holdout : float
        Share of the span that is sealed.
    horizons : int
        Whole horizons that the holdout holds.
    smallest_edge : float
        The AUC above a constant that would be found four times in five; infinite for no whole horizon.
    """

    days: float
    horizon: timedelta
    holdout: float
    horizons: int
    smallest_edge: float

    @property
    def enough(self) -> bool:
        """Whether twenty blocks of five horizons fit, without which every verdict is inconclusive."""
        return self.horizons >= NEEDED_HORIZONS

    @property
    def days_needed(self) -> int:
        """Days of the whole span that a verdict needs."""
        return math.ceil(NEEDED_HORIZONS * self.horizon / timedelta(days=1) / self.holdout)

    @property
    def longest_horizon(self) -> timedelta:
        """The longest horizon for which this span could give a verdict."""
        return timedelta(days=self.days * self.holdout / NEEDED_HORIZONS)

    def days_for(self, edge: float) -> int:
        """Days of the whole span that show an edge of `edge` AUC four times in five."""
        if not self.horizons:
            return self.days_needed
        return max(self.days_needed, math.ceil(self.days * (self.smallest_edge / edge) ** 2))


def standard_errors(alpha: float = ALPHA, found: float = FOUND) -> float:
    """How many standard errors an edge must measure to be found that often at a one-sided level.

    Parameters
    ----------
    alpha : float
        One-sided level.
    found : float
        Share of holdouts in which the edge is to be found.

    Returns
    -------
    float
        z(1 - alpha) + z(found); 2.8 at 0.025 and four times in five.

    Notes
    -----
    Cohen (1988), *Statistical Power Analysis for the Behavioral Sciences*, chapter 1, for a normal mean.

    Examples
    --------
    >>> round(standard_errors(), 2), round(standard_errors(0.025 / 3), 2)
    (2.8, 3.24)
    """
    return float(norm.ppf(1 - alpha) + norm.ppf(found))


def smallest_auc_edge(rows: float, share: float = 0.5, alpha: float = ALPHA) -> float:
    """The AUC above one half that so many independent rows show four times in five.

    Parameters
    ----------
    rows : float
        Independent rows.
    share : float
        Share of class 1.
    alpha : float
        One-sided level.

    Returns
    -------
    float
        Infinite without rows.

    Notes
    -----
    With n rows, n p of class 1, the AUC of a score that knows nothing has the variance
    (n + 1) / (12 n^2 p (1 - p)): Mann and Whitney (1947), Annals of Mathematical Statistics 18(1).

    Examples
    --------
    >>> round(smallest_auc_edge(720), 3)
    0.06
    """
    if rows <= 0:
        return math.inf
    return standard_errors(alpha) * math.sqrt((rows + 1) / (12 * share * (1 - share))) / rows


def span_power(days: float, horizon: str | timedelta, bar: timedelta, holdout: float = 0.2) -> SpanPower:
    """What so many days can show of so short a horizon.

    Parameters
    ----------
    days : float
        Length of the whole span.
    horizon : str or timedelta
        From decision to label, such as ``"PT1H"``.
    bar : timedelta
        Length of a bar.
    holdout : float
        Share of the span that is sealed.

    Returns
    -------
    SpanPower

    Raises
    ------
    UsageError
        ``usage.value`` for a horizon that cannot be read.

    Notes
    -----
    Rows within a horizon share most of their label. For the sign of a sum of h moves the correlation at lag k
    is 2/pi arcsin(1 - k/h) (the arcsine law), whose sum makes one independent row of 0.73 horizons for a
    prediction that hardly moves, and of 0.5 for one that is forgotten as fast as the label. 0.6 lies between
    them, and gives what was measured on random walks with changing volatility: 0.06 AUC at 432 horizons of
    holdout, 0.036 at 1,195. Several coins are counted once, because they move together.

    Examples
    --------
    >>> found = span_power(90, "PT1H", timedelta(minutes=5))
    >>> found.horizons, round(found.smallest_edge, 2), found.enough
    (432, 0.06, True)
    >>> span_power(90, "P1D", timedelta(minutes=5)).days_needed
    500
    """
    length = parse_horizon(horizon).to_pytimedelta()
    sealed = timedelta(days=days * holdout)
    rows = sealed / bar / max(1.0, ROW_HORIZONS * (length / bar))
    horizons = math.floor(sealed / length + 1e-6)
    return SpanPower(days, length, holdout, horizons, smallest_auc_edge(rows) if horizons else math.inf)


def span_sentence(power: SpanPower, task: str = "classification", delta: float = DELTA_AUC) -> str:
    """What the span can show, in words.

    Parameters
    ----------
    power : SpanPower
        From `span_power`.
    task : str
        For ``regression`` only the number of horizons is known beforehand.
    delta : float
        The edge worth having, in AUC.

    Returns
    -------
    str
        One or two sentences.

    Examples
    --------
    >>> print(span_sentence(span_power(90, "PT1H", timedelta(minutes=5))))  # doctest: +NORMALIZE_WHITESPACE
    These 90 days hold 432 hours of holdout: the smallest edge they can show four times in five is about 0.06 of
    AUC. An edge of 0.05, the least worth having, needs 131 days.
    """
    first = f"These {power.days:,.3g} days hold {_horizons(power)} of holdout"
    if not power.enough:
        least = f"a verdict needs {NEEDED_HORIZONS} (20 blocks of 5)"
        return (
            f"{first}, and {least}: whatever is found will be inconclusive. It takes {power.days_needed:,} days, or "
            f"a horizon of at most {_longest(power.longest_horizon)}."
        )
    if task == "regression":
        return f"{first}; a verdict needs {NEEDED_HORIZONS}, so it can be called."
    said = f"{first}: the smallest edge they can show four times in five is about {power.smallest_edge:.2g} of AUC."
    if power.smallest_edge > delta:
        return f"{said} An edge of {delta:g}, the least worth having, needs {power.days_for(delta):,} days."
    half = power.smallest_edge / 2
    return f"{said} Half of that, {half:.2g}, would need {power.days_for(half):,} days."


def what_span_shows(brief: Brief, market: dict[str, Any], holdout: float = 0.2) -> str:
    """The sentence for a goal, from the host's metadata alone; empty where the span is not known.

    Parameters
    ----------
    brief : Brief
        The goal as it was read.
    market : dict
        What `describing.describe_market` says.
    holdout : float
        Share of the rows that is sealed.

    Examples
    --------
    >>> what_span_shows(Brief(task="analysis"), {})
    ''
    """
    if brief.task == "analysis" or not (brief.start and brief.end and brief.coins):
        return ""
    known = [market["coins"][coin] for coin in brief.coins if coin in (market.get("coins") or {})]
    bar = timedelta(minutes=float(market.get("bar_minutes") or 5))
    begin, end = datetime.fromisoformat(brief.start), datetime.fromisoformat(brief.end)
    if known:
        begin = max(begin, min(datetime.fromisoformat(each["start"]) for each in known))
        end = min(end, max(datetime.fromisoformat(each["end"]) for each in known) + bar)
    days = (end - begin) / timedelta(days=1)
    if days <= 0:
        return ""
    return span_sentence(span_power(round(days, 2), brief.horizon, bar, holdout), brief.task)


def _horizons(power: SpanPower) -> str:
    seconds = power.horizon.total_seconds()
    for size, word in _UNITS:
        if seconds == size:
            return f"{power.horizons:,} {word}{'s' * (power.horizons != 1)}"
    return f"{power.horizons:,} horizons of {_spoken(power.horizon)}"


def _spoken(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, word in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {word}{'s' * (seconds != size)}"
    return f"{seconds:g} seconds"


def _longest(span: timedelta) -> str:
    """Rounded down to whole units, so that the promise holds."""
    for size, word in _UNITS:
        count = int(span.total_seconds() // size)
        if count:
            return f"{count} {word}{'s' * (count != 1)}"
    return "less than a minute"
