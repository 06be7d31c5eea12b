"""Only usable rows are learned from, and a prediction is missing where a feature is."""

from __future__ import annotations

import numpy as np
from synthetic import direction, returns

from omc_agent.tools.features import feature_columns
from omc_agent.tools.fitting import predict
from omc_agent.tools.modeling import train_classification_model, train_regression_model


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
