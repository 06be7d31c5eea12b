"""Models say themselves what they use; what they cannot say is said too."""

from __future__ import annotations

import pytest
from synthetic import direction, returns, table

from omc_agent.errors import UsageError
from omc_agent.tools.modeling import train_classification_model, train_regression_model
from omc_agent.tools.own_importance import model_importance


@pytest.mark.parametrize(
    ("model", "kind"), [("logistic_regression", "coefficient"), ("random_forest", "impurity"), ("xgboost", "gain")]
)
def test_the_planted_feature_comes_first(model, kind):
    found = model_importance(train_classification_model(direction(bars=2500, signal=1.5), model))
    assert found["feature"].iloc[0] == "edge"
    assert set(found["kind"]) == {kind}
    assert sorted(found["feature"]) == ["edge", "noise", "past"]


def test_coefficients_of_values_keep_their_sign_and_words_their_columns():
    frame = returns(bars=1200, signal=1.5)
    ahead = model_importance(train_regression_model(frame, "ridge"))
    back = model_importance(train_regression_model(frame.assign(edge=-frame["edge"]), "ridge"))
    assert ahead["importance"].iloc[0] == pytest.approx(-back["importance"].iloc[0], rel=1e-6)
    words = model_importance(train_classification_model(table(), "logistic_regression"))
    assert "size" in set(words["feature"])
    assert any("Oslo" in name for name in words["feature"])


def test_gradient_boosting_keeps_no_account():
    with pytest.raises(UsageError) as caught:
        model_importance(train_classification_model(direction(bars=400), "gradient_boosting"))
    assert "calculate_feature_importance" in str(caught.value)
