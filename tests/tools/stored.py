"""Tables of bars in SQLite, with times stored in many ways."""

from __future__ import annotations

import sqlite3

import pandas as pd

TABLE = "price_data_5min"
STYLES = {
    "iso text": ("TEXT", lambda t: t.strftime("%Y-%m-%d %H:%M:%S.000000")),
    "iso text with T": ("DATETIME", lambda t: t.strftime("%Y-%m-%dT%H:%M:%S")),
    "iso text with zone": ("TEXT", lambda t: (t + pd.Timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S+02:00")),
    "no seconds": ("TEXT", lambda t: t.strftime("%Y-%m-%d %H:%M")),
    "american": ("TEXT", lambda t: t.strftime("%m/%d/%Y %H:%M")),
    "epoch seconds": ("INTEGER", lambda t: int(t.timestamp())),
    "epoch milliseconds": ("INTEGER", lambda t: int(t.timestamp() * 1000)),
}


def write(path, rows, columns="coin_type TEXT, timestamp TEXT, last REAL", table=TABLE):
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(f"CREATE TABLE {table} ({columns})")
        marks = ", ".join("?" * (columns.count(",") + 1))
        raw.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    raw.close()
    return f"sqlite:///{path}"


def bars(coins=("BTC", "ETH"), count=600, style=STYLES["iso text"][1]):
    times = pd.date_range("2024-01-01", periods=count, freq="5min")
    return [(coin, style(time), 100.0 + place) for coin in coins for place, time in enumerate(times)]
