"""Files of bars: read in every format, and the coin found in the name where no column says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.coins import QUOTES, base_symbol
from omc_agent.tools.prices_table import find_roles

_READERS: dict[str, Callable[..., pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".csv.gz": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
}


def read_file(file: Path) -> pd.DataFrame:
    """The file as it is, times of an index as a column.

    Raises
    ------
    DataError
        ``data.unreadable`` when there is no such file, or none that can be read.
    """
    reader = next((read for ending, read in _READERS.items() if file.name.lower().endswith(ending)), None)
    if reader is None or not file.is_file():
        raise DataError(
            "data.unreadable",
            given=f"The file was {file}.",
            have="There is no such file." if reader else f"Files that can be read end in {', '.join(_READERS)}.",
            try_="Try the full path." if reader else "Try to save it as one of these.",
        )
    try:
        frame = reader(file)
        if not ({"timestamp", "close"} <= set(find_roles(frame.columns))) and reader is pd.read_csv:
            # Some vendors put a line of credits above the header.
            second = reader(file, skiprows=1)
            frame = second if "close" in find_roles(second.columns) else frame
    except (ValueError, OSError, ImportError, UnicodeDecodeError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise DataError(
            "data.unreadable",
            given=f"The file was {file}.",
            have=f"It cannot be read: {reason}.",
            try_="Try to open it with pandas to see what is in it.",
        ) from problem
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis(str(frame.index.name or "timestamp")).reset_index()
    return frame


def coin_of(file: Path, roles: dict[str, str], coin: str | None) -> str | None:
    """The coin of a file that does not say it in a column."""
    if "coin" in roles:
        if coin is not None:
            raise UsageError(
                "usage.value",
                given=f"The coin was {coin!r}.",
                have=f"{file.name} names the coin of each row in {roles['coin']!r}.",
                try_="Try it without.",
            )
        return None
    named = coin or _coin_in_name(file.name)
    if named is None:
        raise DataError(
            "data.unreadable",
            given=f"The file was {file.name}.",
            have="Neither a column nor the name says which coin it is of.",
            try_="Try --coin BTC, or a name such as BTC_USDT-5m.csv.",
        )
    return named


def _coin_in_name(name: str) -> str | None:
    """The coin before a quote currency: ``BTC_USDT-5m.feather``, ``Coinbase_BTCUSD_1h.csv``."""
    words = re.split(r"[^A-Za-z0-9]+", name.split(".")[0].upper())
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if following in QUOTES and re.fullmatch(r"[A-Z0-9]{2,10}", word):
            return word
        if word not in QUOTES and base_symbol(word) != word:
            return base_symbol(word)
    return None
