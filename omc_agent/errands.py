"""The verbs of ``omc-agent`` that go to a service outside: a run to MLflow, bars from an exchange."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

Add = Callable[..., argparse.ArgumentParser]


def add_verbs(verbs: Any, add: Add, store: Callable[[], Any]) -> None:
    """Add them to the parser; `add` makes one, `store` opens the store when it is needed."""
    each = add(verbs, "mlflow", lambda parsed: _mlflow(parsed, store()), "send a finished run to MLflow")
    each.add_argument("id", help="the run")
    each.add_argument("--uri", default=None, metavar="URI", help="tracking URI, in place of the setting")
    each.add_argument("--experiment", default=None, metavar="NAME", help="MLflow experiment")
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    _add_fetch(verbs, add)


def _add_fetch(verbs: Any, add: Add) -> None:
    """Add ``fetch``."""
    each = add(verbs, "fetch", _fetch, "load bars of an exchange into a table; again goes on where it ended")
    each.add_argument("--exchange", required=True, metavar="NAME", help="such as binance, coinbase or kraken")
    each.add_argument("--symbols", required=True, metavar="PAIRS", help="markets with commas: BTC/USDT,ETH/USDT")
    each.add_argument("--since", default="90d", metavar="TIME", help="90d, 12h, 2w, 1y ago, or a date; default 90d")
    each.add_argument("--until", default=None, metavar="TIME", help="the end, exclusive; default now")
    each.add_argument("--timeframe", default="5m", metavar="LENGTH", help="of a bar, 1m to 1d; default 5m")
    each.add_argument("--table", default=None, metavar="NAME", help="default price_data_5min, or as the length is")
    each.add_argument("--db", default=None, metavar="URL|NAME", help="SQLAlchemy URL, or a configured name")
    each.add_argument("--base-url", default="", metavar="URL", help="a mirror, in place of the exchange's address")
    each.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _fetch(parsed: argparse.Namespace) -> int:
    from omc_agent.config import settings_with
    from omc_agent.tools.connection import database_url
    from omc_agent.tools.fetching import fetch_bars

    db = database_url(settings_with(None, db=parsed.db).source().db)
    symbols = [each.strip() for each in parsed.symbols.split(",") if each.strip()]

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        report = fetch_bars(parsed.exchange, symbols, db, parsed.since, parsed.until, parsed.timeframe, parsed.table,
                            base_url=parsed.base_url, tell=tell)  # fmt: skip
    except KeyboardInterrupt:
        tell("What is written stays; the same command goes on.")
        raise
    print(json.dumps(report.to_dict()) if parsed.json else "\n".join([*report.lines(), _next(parsed, db, report)]))
    return 0


def _next(parsed: argparse.Namespace, db: str, report: Any) -> str:
    """The command that goes on from here."""
    from omc_agent.brief import PRICE_TABLE
    from omc_agent.tools.connection import redact

    ahead = "day" if report.timeframe == "1d" else "hour" if report.timeframe[-1] == "m" else "12 hours"
    words = ["omc-agent", "run", f"Predict whether {report.symbols[0].coin} rises over the next {ahead}", "--db",
             redact(parsed.db or db)]  # fmt: skip
    return "Go on with: " + shlex.join(words + (["--table", report.table] if report.table != PRICE_TABLE else []))


def _mlflow(parsed: argparse.Namespace, store: Any) -> int:
    from omc_agent.config import settings_with
    from omc_agent.tracking.sending import send_again

    settings = settings_with(None, mlflow_uri=parsed.uri, mlflow_experiment=parsed.experiment)
    sent = send_again(store, parsed.id, settings)
    print(json.dumps(sent.to_dict()) if parsed.json else sent.line())
    return 0
