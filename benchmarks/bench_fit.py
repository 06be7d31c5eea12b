"""``make bench-fit``: every classifier and regressor on real bars, one thread, beside the linear one."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from machine import median, write_result

from omc_agent.brief import CLASSIFIERS, REGRESSORS
from omc_agent.tools import (
    calculate_technical_indicators,
    clean_data,
    train_classification_model,
    train_regression_model,
)
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.features import create_features
from omc_agent.tools.importing import import_bars

BARS = Path(os.environ.get("OMC_AGENT_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ROUNDS = 3


def main() -> None:
    bars = BARS / "binance_5m_10coins_2024.parquet"
    if not bars.exists():
        sys.exit(f"real bars are not at {bars}; set OMC_AGENT_TEST_DATA to the folder that holds them")
    with tempfile.TemporaryDirectory() as folder:
        db = f"sqlite:///{Path(folder) / 'bars.db'}"
        import_bars(bars, db)
        prices = fetch_price_data(["BTC"], "2024-06-08", "2024-09-06", db)
    rows = calculate_technical_indicators(clean_data(prices))
    lines = ["| task | model | CPU seconds a fit | times the first |", "|---|---|---|---|"]
    for task, models, train in (
        ("direction", CLASSIFIERS, train_classification_model),
        ("return", REGRESSORS, train_regression_model),
    ):
        features = create_features(rows, target=task, horizon="1h")
        first = None
        for model in models:
            spent = []
            for _ in range(ROUNDS):
                start = time.process_time()
                train(features, model=model)
                spent.append(time.process_time() - start)
            first = first or median(spent)
            lines.append(f"| {task} | {model} | {median(spent):.2f} | {median(spent) / first:.1f} |")
    about = (
        f"BTC, {len(rows):,} real 5-minute bars, {features.shape[1] - 6} features, one thread; medians of {ROUNDS}."
    )
    write_result("bench-fit", [about, "", *lines])


if __name__ == "__main__":
    main()
