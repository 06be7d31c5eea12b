"""A level is learned as a change: models follow it where they have never been, and are kept in files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from seasons import remembering, seasonal
from synthetic import candles

from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.features import create_features
from omc_agent.tools.fitting import fit_rows, predict
from omc_agent.tools.importance import calculate_feature_importance
from omc_agent.tools.level import LevelRegressor
from omc_agent.tools.metrics import score_rows
from omc_agent.tools.model_files import load_model, save_model
from omc_agent.tools.sealing import seal
from omc_agent.tools.series import find_series
from omc_agent.tools.table_features import prepare_table

MODELS = ("linear", "ridge", "lasso", "random_forest", "gradient_boosting", "xgboost")


def split(values, freq="MS"):
    times = pd.date_range("1900-01-01", periods=len(values), freq=freq, tz="UTC", unit="us")
    rows = pd.DataFrame({"timestamp": times, "y": values})
    development, sealed = seal(rows)
    found = find_series(development, "y")
    made = prepare_table(
        rows, "y", time="timestamp", classes=[], lags=found.lags, season=found.season, cycle=found.cycle
    )
    return made.loc[development.index], made.loc[sealed.index]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_follows_a_trend_that_leaves_its_past(model):
    train, test = split(seasonal(400, 12, trend=0.3))
    assert test["target"].min() > train["target"].max() - 15
    fitted = fit_rows(train, "regression", model, None, 0)
    said = predict(fitted, test)
    assert isinstance(fitted.named_steps["model"], LevelRegressor)
    assert said.notna().all()
    for naive in ("naive_last", "naive_day", "naive_before"):
        assert score_rows("mae_skill", test["target"], said, test[naive]).score > 0.2


def test_a_series_that_forgets_is_learned_as_it_is():
    train, test = split(np.random.default_rng(0).normal(size=300) + 50)
    fitted = fit_rows(train, "regression", "ridge", None, 0)
    assert not fitted.named_steps["model"].on_change_
    assert abs(predict(fitted, test).mean() - 50) < 1


@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_changes_is_saved_and_loaded(model, tmp_path):
    train, test = split(remembering(150, 0.9))
    fitted = fit_rows(train, "regression", model, None, 0)
    sha = save_model(fitted, tmp_path / "model.skops")
    again = load_model(tmp_path / "model.skops", sha)
    pd.testing.assert_series_equal(predict(again, test), predict(fitted, test))


def test_a_few_rows_are_enough_for_five_folds():
    train, _ = split(remembering(100, 0.6), "YS")
    for model in ("constant", "last", "reversal", "seasonal", *MODELS):
        score, oof = cross_validate_model(train, model, metric="mae")
        assert score["score"] > 0
        assert oof["fold"].nunique() == 5
    mase, _ = cross_validate_model(train, "last", metric="mase")
    assert mase["score"] == pytest.approx(1.0)
    assert len(calculate_feature_importance(train, "ridge", plot=False)) > 5


@pytest.mark.parametrize("model", ["ridge", "lasso", "gradient_boosting"])
def test_a_price_is_forecast_about_as_well_as_by_its_last_value(model):
    bars = pd.concat([candles(2000, 1), candles(2000, 2, "ETH").assign(close=lambda b: b["close"] * 100)])
    rows = create_features(bars.reset_index(drop=True), target="price", horizon="1h")
    fitted = fit_rows(rows[rows["timestamp"] < rows["timestamp"].quantile(0.8)], "regression", model, None, 0)
    assert fitted.named_steps["model"].relative_
    test = rows[rows["timestamp"] > rows["timestamp"].quantile(0.82)]
    skill = score_rows("mae_skill", test["target"], predict(fitted, test), test["naive_last"]).score
    assert abs(skill) < 0.2  # a few dozen independent hours scatter so much


def test_without_its_last_value_a_row_has_no_forecast():
    rows = pd.DataFrame({"y_lag_1": np.arange(60.0), "x": 1.0})
    fitted = fit_rows(
        rows.assign(naive_last=rows["y_lag_1"], target=rows["y_lag_1"] + 2), "regression", "ridge", None, 0
    )
    said = predict(fitted, pd.DataFrame({"y_lag_1": [500.0, np.nan], "x": [1.0, np.nan]}))
    assert said.round(6).tolist()[0] == 502
    assert np.isnan(said.iloc[1])
