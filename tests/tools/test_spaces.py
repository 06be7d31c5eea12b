"""The bounds of a search fit the rows, and classes are weighted only where a call is scored."""

from __future__ import annotations

import pytest

from omc_agent.tools.searching import check_bounds
from omc_agent.tools.spaces import SPACES, THRESHOLD_METRICS, space_for


@pytest.mark.parametrize("rows", [20, 150, 1_999, 50_000])
@pytest.mark.parametrize("model", sorted(SPACES))
def test_every_space_can_be_searched_and_no_leaf_is_the_whole_table(model, rows):
    space = space_for(model, rows)
    assert check_bounds(model, space, trials=1) == space
    if rows < 2_000 and "min_samples_leaf" in space:
        assert space["min_samples_leaf"][2] <= max(3, rows // 20)
    if rows >= 2_000:
        assert space == SPACES[model]


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "log_loss_skill", "pr_auc", *sorted(THRESHOLD_METRICS)])
def test_weights_of_classes_are_for_scores_of_calls(metric):
    wanted = metric in THRESHOLD_METRICS
    assert ("class_weight" in space_for("logistic_regression", 900, metric)) == wanted
    assert ("class_weight" in space_for("random_forest", 90_000, metric)) == wanted
    assert "class_weight" not in space_for("xgboost", 900, metric)
