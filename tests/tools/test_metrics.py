from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from synthetic import direction, returns

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.metrics import (
    metrics_for,
    score_frame,
    score_interval,
    score_rows,
    task_of,
)

ONE_COLUMN = sorted({*metrics_for("classification"), *metrics_for("regression")})
ORACLES = {
    "log_loss": sk.log_loss,
    "roc_auc": sk.roc_auc_score,
    "pr_auc": sk.average_precision_score,
    "accuracy": lambda y, p: sk.accuracy_score(y, p >= 0.5),
    "precision": lambda y, p: sk.precision_score(y, p >= 0.5),
    "recall": lambda y, p: sk.recall_score(y, p >= 0.5),
    "f1": lambda y, p: sk.f1_score(y, p >= 0.5),
    "brier": sk.brier_score_loss,
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
}


def sample(metric: str, n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    if metric in metrics_for("classification"):
        y = (y > 0.4).astype(float)
    # Rounded, so that there are ties.
    return y, np.clip(0.3 * y + rng.normal(0.4, 0.2, n), 0, 1).round(2), rng.normal(size=n)


@pytest.mark.parametrize("metric", sorted(ORACLES))
def test_scores_are_those_of_scikit_learn(metric):
    y, p, _ = sample(metric)
    assert score_rows(metric, y, p).score == pytest.approx(ORACLES[metric](y, p))


def test_skill_and_scaled_error_are_ratios_to_the_reference():
    y, p, reference = sample("mae")
    ratio = np.abs(y - p).mean() / np.abs(y - reference).mean()
    assert score_rows("mase", y, p, reference).score == pytest.approx(ratio)
    assert score_rows("mae_skill", y, p, reference).score == pytest.approx(1 - ratio)


@pytest.mark.parametrize("metric", ONE_COLUMN)
def test_values_are_what_a_row_adds(metric):
    """Giving one row a little more weight moves the score by its value less the score: the jackknife agrees."""
    y, p, reference = sample(metric)
    whole = score_rows(metric, y, p, reference)
    n = len(y)
    left_out = [score_rows(metric, np.delete(y, i), np.delete(p, i), np.delete(reference, i)).score for i in range(n)]
    jackknife = whole.score + (n - 1) * (whole.score - np.array(left_out))
    assert np.corrcoef(jackknife, whole.values)[0, 1] > 0.995
    assert whole.values.std() == pytest.approx(jackknife.std(), rel=0.03)
    assert whole.values.mean() == pytest.approx(whole.score)


@pytest.mark.parametrize("metric", ONE_COLUMN)
def test_unknown_rows_do_not_count(metric):
    y, p, reference = sample(metric)
    padded = [np.append(column, extra) for column, extra in ((y, np.nan), (p, 0.5), (reference, 0.0))]
    found = score_rows(metric, *padded)
    assert np.isnan(found.values[-1])
    assert found.score == pytest.approx(score_rows(metric, y, p, reference).score)


def test_scores_that_are_not_defined_are_nan():
    ones, half = np.ones(5), np.full(5, 0.5)
    for metric in ("roc_auc", "pr_auc", "r2"):
        assert np.isnan(score_rows(metric, ones, half).score)
    assert np.isnan(score_rows("mase", ones, half, ones).score)
    assert np.isnan(score_rows("mae", [], []).score)
    assert score_rows("precision", [0.0, 1.0], [0.1, 0.2]).score == 0.0
    assert score_rows("rmse", ones, ones).score == 0.0


def test_metrics_that_need_more_say_so():
    with pytest.raises(UsageError, match="gini"):
        score_rows("gini", [0.0], [0.0])
    with pytest.raises(UsageError, match="reference"):
        score_rows("mase", [0.0], [0.0])


def test_folds_are_scored_apart():
    rows = pd.DataFrame({"target": [0, 1] * 4, "prediction": [0.1, 0.2] * 2 + [0.8, 0.9] * 2})
    rows["fold"] = [1] * 4 + [2] * 4
    assert score_frame("roc_auc", rows).score == 1.0
    assert score_frame("roc_auc", rows.drop(columns="fold")).score < 1.0
    # A fold with one class is left out rather than guessed.
    rows.loc[:3, "target"] = 1
    found = score_frame("roc_auc", rows)
    assert (found.score, int(np.isnan(found.values).sum())) == (1.0, 4)


def test_interval_is_wider_for_overlapping_rows():
    frame = direction(bars=2000).dropna()
    values = score_rows("roc_auc", frame["target"], frame["past"]).values
    low, high = score_interval(values, frame["timestamp"], pd.Timedelta("1h"))
    tight = score_interval(values, None, None)
    assert low < np.mean(values) < high
    assert high - low > 2 * (tight[1] - tight[0])


def test_task_is_read_from_the_target():
    assert task_of(direction(bars=100)) == "classification"
    assert task_of(returns(bars=100)) == "regression"
    with pytest.raises(DataError) as caught:
        task_of(pd.DataFrame({"size": [1.0]}))
    assert caught.value.code == "data.no_target"
    with pytest.raises(DataError) as caught:
        task_of(pd.DataFrame({"target": [np.nan]}))
    assert caught.value.code == "data.too_few_rows"
    many = pd.DataFrame({"target": [0.0, 1.0, 2.0]})
    many.attrs["classes"] = ["a", "b", "c"]
    assert task_of(many) == "classification"
    many.attrs.clear()  # as after a way through a file
    assert task_of(many) == "regression"
    assert task_of(many, "classification") == "classification"
    with pytest.raises(UsageError, match="coded"):
        task_of(returns(bars=100), "classification")
