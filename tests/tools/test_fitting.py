"""Only usable rows are learned from, and a prediction is missing where a feature is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from synthetic import direction, returns

from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.features import feature_columns
from omc_agent.tools.fitting import predict, predict_frame
from omc_agent.tools.model_files import load_model, save_model
from omc_agent.tools.modeling import train_classification_model, train_regression_model
from omc_agent.tools.tuning import tune_hyperparameters


def test_predictions_are_missing_where_a_feature_is():
    frame = direction(bars=400)
    fitted = train_classification_model(frame)
    holes = frame.copy()
    holes.loc[[100, 399], "edge"] = np.nan
    found = predict(fitted, holes)
    assert found.index.equals(frame.index)
    missing = frame[feature_columns(frame)].isna().any(axis=1)
    assert found[found.isna()].index.tolist() == [*frame.index[missing], 100, 399]


def test_params_reach_the_estimator():
    frame = direction(bars=300)
    assert train_classification_model(frame, params={"C": 0.5}).named_steps["model"].C == 0.5
    ridge = train_regression_model(returns(bars=300), "ridge", {"alpha": 7.0})
    assert ridge.named_steps["model"].regressor_.alpha == 7.0


def three_classes(rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    code = np.repeat([0.0, 1.0, 2.0], rows // 3)
    return pd.DataFrame({"x": code + rng.normal(0, 0.3, rows), "z": rng.normal(size=rows), "target": code})


def test_boosting_goes_on_where_a_middle_class_is_missing(tmp_path):
    rows = three_classes()
    fitted = train_classification_model(rows[rows["target"] != 1.0], "xgboost")
    path = tmp_path / "model.skops"
    again = load_model(path, save_model(fitted, path))
    said = predict_frame(again, rows, classes=3)
    assert list(said) == ["prediction", "p_0", "p_1", "p_2"]
    assert said["p_1"].max() < 1e-5
    assert set(said["prediction"]) == {0.0, 2.0}
    assert (said["prediction"] == rows["target"])[rows["target"] != 1.0].mean() > 0.95
    assert len(fitted.named_steps["model"].feature_importances_) == 2


def test_a_fold_without_a_middle_class_is_scored_and_tuned():
    # The middle class comes in the last third only, so that the training rows before it lack it.
    code = np.array([0.0, 2.0] * 40 + [1.0, 0.0, 2.0, 1.0] * 10)
    times = pd.date_range("2024-01-01", periods=len(code), freq="1D", tz="UTC")
    size = code + np.random.default_rng(0).normal(0, 0.3, len(code))
    late = pd.DataFrame({"timestamp": times, "label_end": times, "x": size, "target": code})
    score, oof = cross_validate_model(late, "xgboost", n_splits=3, task="classification")
    assert len(score["folds"]) == oof["fold"].nunique() == 3
    assert oof["p_1"].notna().all()
    best, tried, _ = tune_hyperparameters(
        late, "xgboost", trials=2, n_splits=3, early_stopping=True, task="classification"
    )
    assert best["model"] == "xgboost"
    assert len(tried) == 2
