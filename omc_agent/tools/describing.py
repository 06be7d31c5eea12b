"""What a table or a frame that is not a market holds, for whoever reads a goal."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from omc_agent.errors import DataError
from omc_agent.tools.data import as_prices, fetch_table
from omc_agent.tools.prices_table import find_roles

SAMPLE_ROWS = 1_000


def describe_table(db: str | None, table: str) -> dict[str, Any]:
    """Columns and a count of any table.

    Parameters
    ----------
    db : str or None
        SQLAlchemy URL.
    table : str
        Its name.

    Returns
    -------
    dict, ready for JSON
        `table`, `columns`, `kinds` (column -> ``number`` or ``class``), `coins` (empty), `newest` (None).

    Raises
    ------
    DataError
        ``data.no_database`` or ``data.no_table``.
    """
    sample = fetch_table(table, db, max_rows=SAMPLE_ROWS)
    columns = [str(name) for name in sample.columns]
    return {"table": table, "columns": columns, "kinds": column_kinds(sample), "coins": {}, "newest": None}


def column_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Whether each column holds classes (text, or two values) or numbers.

    Examples
    --------
    >>> column_kinds(pd.DataFrame({"size": [1, 2, 3], "sold": [0, 1, 0], "kind": ["a", "b", "c"]}))
    {'size': 'number', 'sold': 'class', 'kind': 'class'}
    """
    return {
        str(name): "number" if is_numeric_dtype(column) and column.nunique() > 2 else "class"
        for name, column in frame.items()
    }


def describe_frame(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """A frame that was handed in: as a market when it holds bars of named coins, else its columns.

    Examples
    --------
    >>> describe_frame(pd.DataFrame({"size": [1], "y": [0]}), "houses")["columns"]
    ['size', 'y']
    """
    columns = [str(column) for column in frame.columns]
    kinds = column_kinds(frame.head(SAMPLE_ROWS))
    plain: dict[str, Any] = {"table": name, "columns": columns, "kinds": kinds, "coins": {}, "newest": None}
    if not {"coin", "timestamp", "close"} <= set(find_roles(columns)):
        return plain
    try:
        prices = as_prices(frame)
    except DataError:
        return plain
    coins = {
        str(coin): {
            "rows": len(bars),
            "start": bars["timestamp"].min().isoformat(),
            "end": bars["timestamp"].max().isoformat(),
        }
        for coin, bars in prices.groupby("coin", observed=True)
    }
    minutes = pd.Timedelta(prices["timestamp"].drop_duplicates().sort_values().diff().median())
    return {
        **plain,
        "coins": coins,
        "newest": prices["timestamp"].max().isoformat(),
        "bar_minutes": minutes.total_seconds() / 60 if pd.notna(minutes) else None,
    }
