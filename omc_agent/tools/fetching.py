"""Bars of an exchange into a table: what is missing of a span is fetched, written page by page, and told."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError, UsageError
from omc_agent.tools.exchange import TIMEFRAMES, Exchange, utc_text
from omc_agent.tools.fetch_report import Fetched, FetchReport, Times, gaps_of
from omc_agent.tools.fetched_table import FetchedTable

SECONDS = {"h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
TELL_EVERY = 2.0  # seconds between two lines of progress
# One bar's close asked for twice is one price: an answer that is further off is of another market.
FURTHEST = 0.05
SURELY = 100  # bars that an answer of any exchange may hold
OLDEST = 1_230_940_800_000  # 2009-01-03: before it there was no coin


def fetch_bars(
    exchange: str,
    symbols: Sequence[str],
    db: str,
    since: str = "90d",
    until: str | None = None,
    timeframe: str = "5m",
    table: str | None = None,
    *,
    base_url: str = "",
    tell: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> FetchReport:
    """Fetch the bars that a table lacks of a span.

    Each page is written in a transaction of its own, so whatever ends this leaves whole pages, and the same call goes
    on. Bars that are there are neither asked for nor changed; a gap that the exchange had is asked for again. The bar
    that is being made is left out.

    Parameters
    ----------
    exchange : str
        As ccxt calls it.
    symbols : sequence of str
        Markets such as ``BTC/USDT``; the coin is the base, ``BTC``.
    db : str
        SQLAlchemy URL; a SQLite file is made if there is none.
    since, until : str
        ``90d``, ``12h``, ``2w`` or ``1y`` before now, or ISO 8601 (UTC where no zone is said); `until` is exclusive
        and now by default.
    timeframe : str
        Length of a bar: ``1m`` to ``1d``.
    table : str, optional
        By default named after the length: ``price_data_5min``. Made if there is none.
    base_url : str
        A mirror in place of the exchange's own address.
    tell : callable, optional
        Told of progress, a line each.
    sleep : callable
        Waits that many seconds.

    Returns
    -------
    FetchReport

    Raises
    ------
    DataError
        ``data.exchange`` for the exchange, its answers and its markets; ``data.no_database``, ``data.unreadable`` for
        the table.
    UsageError
        ``usage.value`` for a span, a timeframe or an exchange that cannot be.

    Examples
    --------
    >>> fetch_bars("binanse", ["BTC/USDT"], "sqlite:///market.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    UsageError: --exchange binanse is not known.
    """
    if not symbols:
        raise UsageError("usage.value", given="--symbols names no market.", have="It is a list with commas.",
                         try_="Try --symbols BTC/USDT,ETH/USDT.")  # fmt: skip
    begin, end = _moment(since, "--since"), _moment(until, "--until") if until else None
    opened = Exchange(exchange, base_url, tell=tell, sleep=sleep)
    step = 1000 * opened.check_timeframe(timeframe)
    now = opened.now_ms
    # A bar is done when the next one has begun.
    first = -(-max(begin, OLDEST) // step) * step
    last = (min(end, now) if end is not None else now) // step * step
    if first >= last:
        raise UsageError("usage.value", given=f"--since {since}{f' --until {until}' if until else ''} holds no bar.",
                         have=f"The newest bar that is done begins at {utc_text(now // step * step - step)} UTC.",
                         try_="Try --since 90d.")  # fmt: skip
    markets = _one_a_coin([opened.market(symbol) for symbol in symbols])
    name = table or table_of(timeframe)
    target = FetchedTable(db, name)
    try:
        for symbol, coin in markets:  # before the first page of the first is asked for
            target.check_market(coin, f"{exchange} {symbol}")
        work = [_Work(opened, target, symbol, coin, timeframe, (first, last, step), tell) for symbol, coin in markets]
        return FetchReport(exchange, timeframe, name, first, last, [each.done() for each in work])
    finally:
        target.close()


def table_of(timeframe: str) -> str:
    """The table of bars of that length.

    Examples
    --------
    >>> table_of("5m"), table_of("1h")
    ('price_data_5min', 'price_data_1h')
    """
    return PRICE_TABLE.replace("5min", timeframe.replace("m", "min")) if timeframe in TIMEFRAMES else PRICE_TABLE


class _Work:
    """One symbol: the span's missing bars, page after page."""

    def __init__(self, exchange: Exchange, target: FetchedTable, symbol: str, coin: str, timeframe: str,
                 span: tuple[int, int, int], tell: Callable[[str], None] | None) -> None:  # fmt: skip
        self._exchange, self._target, self._symbol, self._coin = exchange, target, symbol, coin
        self._timeframe, (self._first, self._last, self._step) = timeframe, span
        self._tell, self._told = tell or (lambda _: None), -math.inf
        self._refused: set[int] = set()
        self._most = 0  # bars that an answer held so far
        self._known: tuple[int, float] | None = None

    def done(self) -> Fetched:
        """Fetch what is missing, and say what is not there."""
        grid: Times = np.arange(self._first, self._last, self._step, dtype=np.int64)
        had = self._target.times_ms(self._coin, self._step)
        missing = np.setdiff1d(grid, had, assume_unique=True)
        before = len(grid) - len(missing)
        at = 0
        while at < len(missing):
            at = int(np.searchsorted(missing, self._page(missing, at, before)))
        there = np.intersect1d(grid, self._target.times_ms(self._coin, self._step), assume_unique=True)
        gaps = gaps_of(grid, there, self._step)
        lead = gaps.pop(0) if gaps and gaps[0].start == grid[0] else None
        trail = gaps.pop() if gaps and gaps[-1].end == grid[-1] else None
        counts = len(grid), before, len(there) - before, len(self._refused)
        return Fetched(self._symbol, self._coin, *counts, lead, trail, gaps)

    def _page(self, missing: Times, at: int, before: int) -> int:
        """Fetch and write one page from the first missing bar on; the time up to which it was asked for."""
        cursor, limit = int(missing[at]), self._exchange.page_bars
        # With the bar before it, which is known: an answer of another market shows there.
        raw = self._exchange.page(self._symbol, self._timeframe, cursor - self._step, limit)
        bars, refused = usable(raw, self._step)
        if raw and bars.empty and not refused:
            raise self._strange("what came are no bars")
        self._check_overlap(cursor - self._step, bars)
        fresh = bars[bars.index.isin(missing)]
        self._refused |= {each for each in refused if self._first <= each < self._last}
        if len(fresh):
            made = fresh.assign(timestamp=pd.to_datetime(fresh.index, unit="ms", utc=True)).reset_index(drop=True)
            self._target.write(self._coin, f"{self._exchange.name} {self._symbol}", made)
            self._known = (int(fresh.index[-1]), float(fresh["close"].iloc[-1]))
        reach = max([int(each) + self._step for each in (*bars.index, *refused) if each >= cursor], default=0)
        self._most = max(self._most, len(bars))
        if not reach:  # some exchanges answer for a window, with more behind it: no wider a step than is surely asked
            reach = cursor + self._step * max(min(limit // 2, max(self._most, SURELY)), 1)
        self._progress(min(reach, self._last), int(np.searchsorted(missing, reach)) + before)
        return reach

    def _check_overlap(self, time_ms: int, bars: pd.DataFrame) -> None:
        if time_ms not in bars.index:
            return
        known = self._known[1] if self._known and self._known[0] == time_ms else None
        known = known if known is not None else self._target.close_at(self._coin, time_ms)
        said = float(bars["close"].loc[time_ms])
        if known and abs(said / known - 1) > FURTHEST:
            raise self._strange(f"its bar of {utc_text(time_ms)} closes at {said:g}, and the table's at {known:g},"
                                " so they are of two markets")  # fmt: skip

    def _strange(self, why: str) -> DataError:
        return DataError("data.exchange", given=f"Bars of {self._symbol} were asked of {self._exchange.name}.",
                         have=f"The answer is strange: {why}. Nothing of it was written.",
                         try_="Try again later, or another table (--table).")  # fmt: skip

    def _progress(self, reach: int, done: int) -> None:
        if reach < self._last and time.monotonic() - self._told < TELL_EVERY:
            return
        self._told = time.monotonic()
        whole = (self._last - self._first) // self._step
        self._tell(f"{self._symbol} {utc_text(reach)}: {done:,} of {whole:,} bars looked for ({done / whole:.0%})")


def usable(raw: Iterable[Any], step: int) -> tuple[pd.DataFrame, list[int]]:
    """The bars of an answer that are bars, by time (ms, ascending, no time twice), and times of those that are none.

    Of bars of one time the last is taken. A bar without a time is left out unsaid; one that is off the grid of `step`
    (ms), lacks a price, has a price of zero or less, a close outside of low and high, or a negative volume is none.

    Examples
    --------
    >>> said = [[600_000, 2, 3, 1, 2, 9], [300_000, 2, 3, 1, 2, 9], [900_000, -1, 3, 1, 2, 9]]
    >>> bars, refused = usable(said, 300_000)
    >>> bars.index.tolist(), refused
    ([300000, 600000], [900000])
    """
    names = ["open", "high", "low", "close", "volume"]
    kept: dict[int, list[float]] = {}
    refused: set[int] = set()
    for row in raw:
        values = [_number(each) for each in row] if isinstance(row, (list, tuple)) and len(row) >= 5 else []
        if not values or not math.isfinite(values[0]):
            continue
        at, prices, volume = int(values[0]), values[1:5], values[5] if len(values) > 5 else math.nan
        opened, high, low, close = prices
        good = all(math.isfinite(price) and price > 0 for price in prices) and low <= min(opened, close)
        if good and high >= max(opened, close) and not volume < 0 and at % step == 0:
            kept[at] = [*prices, volume]
            refused.discard(at)
        elif at not in kept:
            refused.add(at)
    frame = pd.DataFrame.from_dict(kept, orient="index", columns=names, dtype="float64").sort_index()
    return frame, sorted(refused)


def _one_a_coin(markets: list[tuple[str, str]]) -> list[tuple[str, str]]:
    markets = list(dict.fromkeys(markets))
    for symbol, coin in markets:
        if same := [other for other, base in markets if base == coin and other != symbol]:
            raise UsageError("usage.value", given=f"--symbols names {symbol} and {same[0]}.",
                             have=f"Both would be {coin} in one table, and two markets mixed are none.",
                             try_="Fetch them one by one, each into a table of its own (--table).")  # fmt: skip
    return markets


def _moment(text: str, flag: str) -> int:
    """Milliseconds since the epoch of ``90d`` before now, or of ISO 8601 text."""
    if match := re.fullmatch(r"(\d+)\s*([hdwy])", text.strip().lower()):
        return int(1000 * (time.time() - int(match[1]) * SECONDS[match[2]]))
    try:
        moment = pd.Timestamp(text)
        aware = moment.tz_localize("UTC") if moment.tz is None else moment
        return int(aware.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        raise UsageError("usage.value", given=f"{flag} {text} is no time.",
                         have="It is 90d, 12h, 2w or 1y before now, or a date such as 2024-01-31.",
                         try_=f"Try {flag} 90d.") from None  # fmt: skip


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
