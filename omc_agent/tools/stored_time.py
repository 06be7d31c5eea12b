"""Times as tables and files store them: read in any form, and written as a bound in a table's own form."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

import numpy as np
import pandas as pd

_HOUR_AM_PM = "%Y-%m-%d %I-%p"


def parse_times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Times of any kind as datetime64[us, UTC]; naive is UTC, NaT where a value is no time.

    Understood are datetimes, epochs (seconds, milliseconds, microseconds or nanoseconds, told by size), ISO 8601
    text, ``2019-10-17 09-AM``, and other dates that can be read in one way: with slashes or dots the month
    comes first unless some value shows a day there.

    Examples
    --------
    >>> parse_times(pd.Series(["2024-01-01 00:05", "2024-01-01T02:05:00+02:00"])).dt.minute.tolist()
    [5, 5]
    >>> bool((parse_times(pd.Series([1704067200])) == parse_times(pd.Series([1704067200000]))).all())
    True
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        aware = values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
        return cast("pd.Series[Any]", aware.astype("datetime64[us, UTC]"))
    number = values if pd.api.types.is_numeric_dtype(values) else _numbers_or_none(values)
    if number is not None:
        return _from_epoch(number)
    text = values.map(lambda value: value if value is None or isinstance(value, str) else str(value))
    times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    for fallback in (_HOUR_AM_PM, "mixed"):
        rest = times.isna() & values.notna()
        if rest.any():
            times = times.astype("datetime64[us, UTC]")
            times[rest] = _parse_text(text[rest], fallback)
    return times.astype("datetime64[us, UTC]")


@dataclass(frozen=True)
class TimeStyle:
    """How a table stores its times, told from one value, so that spans can be asked for in SQL.

    `kind` is ``datetime`` (aware or naive), ``date``, ``epoch`` (with `unit` in microseconds), ``iso`` (text
    that sorts by time, with `separator`), ``day`` (text that sorts by its date only), ``text`` or ``empty``.
    """

    kind: str
    aware: bool = False
    unit: float = 1e6
    separator: str = " "

    @classmethod
    def of(cls, value: Any) -> TimeStyle:
        """The style of one stored value; None is ``empty``."""
        if value is None:
            return cls("empty")
        if isinstance(value, datetime):
            return cls("datetime", aware=value.tzinfo is not None)
        if isinstance(value, date):
            return cls("date")
        text = str(value)
        if re.fullmatch(r"-?\d+(\.\d*)?", text):
            return cls("epoch", unit=_epoch_unit(abs(float(text))))
        full = re.fullmatch(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(\.\d+)?", text)
        if full:
            return cls("iso", separator=full[1])
        return cls("day" if re.match(r"\d{4}-\d\d-\d\d", text) else "text")

    @property
    def sorts(self) -> bool:
        """Whether the database's order of stored times is their order in time."""
        return self.kind not in ("day", "text")

    def bound(self, moment: pd.Timestamp) -> Any:
        """`moment` as it would be stored; for dates and ``day`` text the day it is in; None if it has no form."""
        if self.kind == "datetime":
            naive = moment.tz_convert("UTC").to_pydatetime()
            return naive if self.aware else naive.replace(tzinfo=None)
        if self.kind == "date":
            return moment.date()
        if self.kind == "epoch":
            return int(moment.timestamp() * 1e6 // self.unit)
        if self.kind == "iso":
            return moment.strftime(f"%Y-%m-%d{self.separator}%H:%M:%S")
        return moment.strftime("%Y-%m-%d") if self.kind == "day" else None


def _numbers_or_none(values: pd.Series[Any]) -> pd.Series[Any] | None:
    number = pd.to_numeric(values, errors="coerce")
    return number if number.notna().any() and number.notna().eq(values.notna()).all() else None


def _epoch_unit(size: float) -> float:
    """Microseconds in the unit of an epoch of that size."""
    # Each limit lies in the year 5138 of its unit and in 1973 of the next.
    return next((unit for limit, unit in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0)) if size < limit), 1e-3)


def _from_epoch(number: pd.Series[Any]) -> pd.Series[Any]:
    size = float(number.abs().max()) if number.notna().any() else 0.0
    factor = _epoch_unit(size)
    known = number.notna()
    micro = np.zeros(len(number), dtype=np.int64)
    exact = number[known].to_numpy()
    micro[known] = exact * factor if factor >= 1 else exact // 1000
    times = pd.Series(pd.to_datetime(micro, unit="us", utc=True), index=number.index)
    return times.astype("datetime64[us, UTC]").where(known)


def _parse_text(text: pd.Series[Any], form: str) -> pd.Series[Any]:
    if form != "mixed":
        return pd.to_datetime(text, format=form, utc=True, errors="coerce").astype("datetime64[us, UTC]")
    first = pd.to_numeric(text.str.extract(r"^\s*(\d{1,2})[/.]\d{1,2}[/.]")[0], errors="coerce")
    day_first = bool((first > 12).any())
    with warnings.catch_warnings():
        # pandas warns where dayfirst does not fit a single value; that value shows its own order.
        warnings.simplefilter("ignore", UserWarning)
        read = pd.to_datetime(text, format="mixed", utc=True, errors="coerce", dayfirst=day_first)
    return read.astype("datetime64[us, UTC]")
