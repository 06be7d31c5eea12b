"""The benchmark of trust: its simulations are what they say, its scores are right, and a small piece of it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.parametrize("auc", [0.56, 0.60])
def test_the_bayes_auc_of_a_planted_signal_is_what_the_formula_says(auc):
    from trust import simulated

    from omc_agent.tools.metrics import score_rows

    coefficients = simulated.coefficients_for(auc)
    assert simulated.bayes_auc(coefficients) == pytest.approx(auc, abs=1e-6)
    assert simulated.hour_to_hour(coefficients) == pytest.approx(0.0, abs=1e-6)
    returns = simulated.momentum(400_000, np.random.default_rng(3), coefficients)
    forecast = simulated.best_forecast(returns, coefficients)
    path = np.cumsum(returns)
    ahead = np.full(len(path), np.nan)
    ahead[:-12] = path[12:] - path[:-12]
    target = np.where(np.isnan(ahead), np.nan, (ahead > 0).astype(float))
    assert score_rows("roc_auc", target, forecast).score == pytest.approx(auc, abs=0.006)
    last = np.full(len(path), np.nan)
    last[12:] = path[12:] - path[:-12]
    assert score_rows("roc_auc", target, last).score == pytest.approx(0.5, abs=0.008)


def test_a_walk_has_the_volatility_and_the_clusters_it_says_and_no_direction():
    from trust import simulated

    returns = simulated.garch(200_000, np.random.default_rng(5))
    assert returns.std() == pytest.approx(simulated.SIGMA, rel=0.05)
    square = (returns**2).clip(max=np.quantile(returns**2, 0.999))
    assert np.corrcoef(square[:-1], square[1:])[0, 1] > 0.05
    assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.015


def test_a_break_keeps_the_signal_before_the_holdout_and_turns_it_after():
    from trust import simulated

    coefficients = simulated.coefficients_for(0.62)
    bars = pd.concat([simulated.broken(60, seed, 0.62, "reverses") for seed in range(8)], ignore_index=True)
    agree = {"before": [], "after": []}
    for _, one in bars.groupby(np.arange(len(bars)) // (60 * 288)):
        path = np.log(one["close"].to_numpy())
        forecast = simulated.best_forecast(np.diff(path, prepend=np.log(60_000.0)), coefficients)
        ahead = path[12:] - path[:-12]
        right = np.sign(forecast[:-12]) == np.sign(ahead)
        cut = int(len(one) * 0.8)
        agree["before"].append(right[100:cut].mean())
        agree["after"].append(right[cut + 100 :].mean())
    assert np.mean(agree["before"]) > 0.55
    assert np.mean(agree["after"]) < 0.47


def test_seeds_come_from_one_number_and_do_not_meet():
    from trust.seeds import seed_for

    made = {seed_for(base, what, n) for base in (0, 1) for what in ("walk", "leak") for n in range(50)}
    assert len(made) == 200
    assert seed_for(7, "walk", 3) == seed_for(7, "walk", 3)


def test_scores_of_tables():
    from trust import tabular

    assert tabular.normalised({"constant": 0.5, "a": 0.9, "b": 0.7, "c": None}) == pytest.approx(
        {"constant": 0.0, "a": 1.0, "b": 0.5, "c": 0.0}
    )
    target = pd.Series(["x", "z", "y"])
    said = pd.DataFrame({"x": [0.5, 0.2, 0.1], "y": [0.25, 0.2, 0.8], "z": [0.25, 0.6, 0.1]})
    assert tabular.score(target, said, "classification") == pytest.approx(np.log([0.5, 0.6, 0.8]).mean())
    two = pd.DataFrame({"no": [0.9, 0.2, 0.6], "yes": [0.1, 0.8, 0.4]})
    assert tabular.score(pd.Series(["no", "yes", "yes"]), two, "classification") == 1.0
    value = pd.DataFrame({"prediction": [1.0, 5.0]})
    assert tabular.score(pd.Series([1.0, 2.0]), value, "regression") == pytest.approx(-np.sqrt(4.5))


def test_worse_beyond_noise_is_told_from_noise():
    from trust.tabular import worse_by

    rng = np.random.default_rng(0)
    base = rng.exponential(size=400)
    assert worse_by(base + rng.normal(0.0, 0.3, 400), base, seed=1)[1] < 0
    extra, low = worse_by(base + 0.2 + rng.normal(0.0, 0.3, 400), base, seed=1)
    assert 0 < low < extra


def test_mase_of_the_last_value_is_one():
    from trust.forecasting import lag_table, mase

    series = pd.DataFrame({"target": np.random.default_rng(0).normal(size=50).cumsum()})
    table = lag_table(series, 4)
    assert mase(table["target"], table["lag_1"], table["lag_1"]) == 1.0
    assert mase(table["target"], table["target"], table["lag_1"]) == 0.0
    assert table["lag_4"].iloc[10] == series["target"].iloc[6]


@pytest.mark.parametrize("seed", [11, 12])
def test_every_planted_leak_is_found_and_no_causal_column_accused(seed):
    from trust import planted

    assert len(planted.LEAKS) >= 20
    assert len(planted.CAUSAL) >= 16
    found = planted.one_seed(seed)
    assert found["missed"] == found["missed_after_dropna"] == found["false_alarms"] == []
    assert found["threshold_found"]


def test_the_quick_pipeline_on_a_walk_gives_a_verdict_and_its_cost():
    from trust import honesty, table

    found = honesty.one({"kind": "walk", "seed": 3, "days": 22, "trials": 2})
    assert found["failures"] == found["leaks"] == []
    assert found["verdict"]["call"] in ("no_edge", "inconclusive", "edge")
    assert {"leak_test", "training", "tuning", "scoring"} <= set(found["cpu"])
    told = table.lines({"C1": [found]})
    assert "C1 false edge on 1 random walks of 22 days" in told[2]


def test_what_goes_wrong_is_a_failure_and_not_a_gap():
    from trust import table
    from trust.ours import ours

    from omc_agent.brief import Brief

    out = ours(pd.DataFrame({"x": range(30), "target": [1.0] * 30}), Brief(task="regression", target="target"))
    assert out.verdict == {}
    assert out.failures
    assert not table.held({"D": [{"executor": "all", "failures": ["it died"]}]})


def test_the_table_of_the_executors_is_read():
    from trust.executors import rows_of

    rows = rows_of(
        "| snippet | omc_agent | plain kernel |\n|---|---|---|\n"
        "| loop | timeout, 3.6 s | ran until it was ended, 12.9 s |\n"
        "| key | error, 0.6 s | **got through**, 0.9 s; **a process stayed** |\n"
    )
    assert [row["got_through"] for row in rows] == [0, 1]
    assert [row["late"] for row in rows] == [0, 1]
    assert rows[1]["left_behind"] == 1
    assert rows[0]["worst_overrun"] == pytest.approx(0.6)


def test_pieces_are_named_by_track_or_by_themselves():
    import importlib

    main = importlib.import_module("trust.__main__")
    assert main.pieces_of("C3,A") == ["C3", "A"]
    assert main.pieces_of("D,C")[:3] == ["D", "C1", "C1 peers"]
    with pytest.raises(SystemExit, match="No track Z"):
        main.pieces_of("Z")
