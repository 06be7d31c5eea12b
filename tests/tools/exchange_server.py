"""An exchange on loopback that speaks what ccxt asks of Binance and Kraken, with faults that a test plans."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

STEP = 300_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
LEVEL = {"BTC": 42_000.0, "ETH": 2_300.0, "XBT": 42_000.0}
PAIRS = [("BTC", "USDT"), ("BTC", "USD"), ("ETH", "USDT"), ("ETH", "BTC")]


class CutError(Exception):
    """Raised by `World.change`: the line is cut in place of an answer."""


@dataclass
class Answer:
    """What is answered in place of the bars: a status, a body, headers, and how long it takes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class World:
    """The exchange: bars from `first` to `last` (ms), without those in `outages`.

    `faults` are answers to the next requests for bars; `change` sees each list of rows before it goes out; `asked`
    are the parameters of all requests for bars.
    """

    first: int = START
    last: int = START + 5000 * STEP
    outages: list[tuple[int, int]] = field(default_factory=list)
    faults: list[Answer] = field(default_factory=list)
    change: Callable[[str, list[list[Any]]], list[list[Any]]] = lambda _, rows: rows
    asked: list[dict[str, str]] = field(default_factory=list)
    step: int = STEP

    def rows(self, base: str, since: int, limit: int) -> list[list[Any]]:
        """Time (ms), open, high, low, close, volume of what there is from `since` on."""
        begin = -(-max(since, self.first) // self.step) * self.step
        rows: list[list[Any]] = []
        while len(rows) < limit and begin <= self.last:
            if not any(low <= begin < high for low, high in self.outages):
                rows.append(bar(base, begin, self.step))
            begin += self.step
        return rows


def bar(base: str, at: int, step: int = STEP) -> list[Any]:
    def price(moment: int) -> float:
        return LEVEL[base] * (1 + 0.01 * math.sin(moment / 7e6) + 0.001 * math.sin(moment / 9e5))

    opened, closed = price(at), price(at + step)
    return [at, opened, max(opened, closed) * 1.0005, min(opened, closed) * 0.9995, closed, 5.0]


@contextlib.contextmanager
def exchange(world: World) -> Iterator[str]:
    """Its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, asked = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
            maker = ROUTES.get(path)
            if maker is None:
                return self.answer(Answer(404, {"msg": f"no {path}"}))
            bars = path.endswith(("klines", "OHLC"))
            if bars:
                world.asked.append(asked)
                if world.faults:
                    return self.answer(world.faults.pop(0))
            with contextlib.suppress(CutError):  # the line ends without an answer
                return self.answer(Answer(body=maker(world, asked)))
            return None

        def answer(self, said: Answer) -> None:
            time.sleep(said.seconds)
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            kind = "text/html" if body.startswith(b"<") else "application/json"
            with contextlib.suppress(ConnectionError):  # a client that waited no longer
                self.send_response(said.status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _exchange_info(world: World, asked: dict[str, str]) -> Any:
    filters = [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
               {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}]  # fmt: skip
    return {"timezone": "UTC", "serverTime": int(1000 * time.time()), "symbols": [
        {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": filters,
         "baseAssetPrecision": 8, "quotePrecision": 8, "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
         "orderTypes": ["LIMIT"], "permissions": ["SPOT"]} for base, quote in PAIRS]}  # fmt: skip


def _klines(world: World, asked: dict[str, str]) -> Any:
    base = next(base for base, quote in PAIRS if base + quote == asked["symbol"])
    rows = world.rows(base, int(asked.get("startTime", world.first)), int(asked["limit"]))
    return [
        [row[0], *(f"{value:.8f}" for value in row[1:]), row[0] + world.step - 1, "1.0", 9, "1.0", "1.0", "0"]
        for row in world.change(asked["symbol"], rows)
    ]


def _asset_pairs(world: World, asked: dict[str, str]) -> Any:
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "quote": "ZUSD",
            "aclass_quote": "currency", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1, "lot_decimals": 8,
            "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]], "ordermin": "0.0001",
            "costmin": "0.5", "tick_size": "0.1", "status": "online"}  # fmt: skip
    return {"error": [], "result": {"XXBTZUSD": pair}}


def _ohlc(world: World, asked: dict[str, str]) -> Any:
    """Kraken gives the newest 720 bars, whatever is asked for; the last is the one that is being made."""
    rows = world.rows("XBT", max(1000 * int(asked["since"]) + 1, world.last - 719 * world.step), 720)
    told = [[row[0] // 1000, *(f"{value:.1f}" for value in row[1:5]), "42000.0", "5.0", 9] for row in rows]
    return {"error": [], "result": {"XXBTZUSD": told, "last": told[-1][0] if told else 0}}


ROUTES: dict[str, Callable[[World, dict[str, str]], Any]] = {
    "/api/v3/exchangeInfo": _exchange_info,
    "/api/v3/klines": _klines,
    "/0/public/AssetPairs": _asset_pairs,
    "/0/public/Assets": lambda world, asked: {"error": [], "result": {}},
    "/0/public/OHLC": _ohlc,
}
