"""Fitted models are measured, candidates compared, and the simplest within noise recommended."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from synthetic import direction, returns

mpl.use("agg")
import matplotlib.pyplot as plt

from omc_agent.errors import AgentError
from omc_agent.tools.evaluation import compare_models, evaluate_model, recommend
from omc_agent.tools.metrics import metrics_for
from omc_agent.tools.modeling import cross_validate_model, train_classification_model, train_regression_model


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def candidate(name, model="xgboost", score=0.55, half=0.03, **more):
    made = {"name": name, "model": model, "params": {}, "metric": "roc_auc", "baseline": False}
    return made | {"score": score, "low": score - half, "high": score + half} | more


def test_classifiers_are_evaluated_by_all_metrics_of_classes():
    frame = direction(bars=1200, signal=0.6)
    found = evaluate_model(train_classification_model(frame.head(700)), frame.tail(450))
    assert found.columns.tolist() == ["rows", *metrics_for("classification")]
    assert found["rows"].item() == 438
    assert found["roc_auc"].item() > 0.55
    titles = [axes.get_title(loc="left") for axes in plt.gcf().axes]
    assert titles == ["Confusion at 0.5", "Calibration"]
    counts = [text.get_text().split("\n")[0] for text in plt.gcf().axes[0].texts]
    assert sum(int(count.replace(",", "")) for count in counts) == 438


def test_regressors_are_evaluated_by_all_metrics_of_values():
    frame = returns(bars=900)
    found = evaluate_model(train_regression_model(frame, "ridge"), frame)
    assert found.columns.tolist() == ["rows", *metrics_for("regression")]
    assert found.notna().all(axis=None)
    assert plt.gcf().axes[0].get_xlabel() == "true value"
    bare = frame.drop(columns=["naive_last", "naive_day"])
    assert evaluate_model(train_regression_model(bare, "ridge"), bare)["mase"].isna().all()


def test_rows_that_cannot_be_scored_are_an_error():
    frame = direction(bars=300)
    with pytest.raises(AgentError) as caught:
        evaluate_model(train_classification_model(frame), frame.assign(target=np.nan))
    assert caught.value.code == "data.too_few_rows"


def test_candidates_come_best_first_with_what_is_within_noise():
    rows = [
        candidate("c", score=0.50),
        candidate("a", score=0.56),
        candidate("b", score=0.55),
        candidate("none") | {"score": None, "low": None, "high": None},
    ]
    found = compare_models(rows)
    assert found["name"].tolist() == ["a", "b", "c", "none"]
    assert found["within_noise_of_best"].tolist() == [True, True, False, False]
    assert len(plt.get_fignums()) == 1


def test_lower_is_better_for_errors():
    rows = [candidate("a", score=2.0, metric="mae"), candidate("b", score=1.0, metric="mae")]
    found = compare_models(rows, plot=False)
    assert found["name"].tolist() == ["b", "a"]
    assert found["within_noise_of_best"].tolist() == [True, False]
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "rows", [[], [candidate("a"), candidate("b", metric="brier")], [candidate("a", metric="luck")]]
)
def test_what_cannot_be_compared_is_refused(rows):
    with pytest.raises(AgentError) as caught:
        compare_models(rows)
    assert caught.value.code == "usage.value"


def test_the_simplest_model_within_noise_is_recommended():
    tree, line = candidate("tree", score=0.56), candidate("line", "logistic_regression", score=0.555)
    found = recommend([tree, line])
    assert (found["name"], found["within_noise"]) == ("line", True)
    assert "simpler" in found["why"]
    clear = recommend([tree, line | {"score": 0.50}])
    assert (clear["name"], clear["within_noise"]) == ("tree", False)


def test_a_baseline_is_named_but_never_recommended():
    found = recommend([candidate("tree", score=0.55), candidate("last", "last", score=0.6, baseline=True)])
    assert found["name"] == "tree"
    assert "not ahead of the naive rule last" in found["why"]
    with pytest.raises(AgentError):
        recommend([candidate("last", "last", baseline=True)])


def test_real_candidates_go_through():
    frame = direction(bars=900)
    rows = [cross_validate_model(frame, model, n_splits=3)[0] for model in ("constant", "logistic_regression")]
    assert compare_models(rows)["baseline"].sum() == 1
    assert recommend(rows)["name"] == "logistic_regression"


def test_a_candidate_that_failed_is_listed_last_with_its_reason_and_not_drawn():
    rows = [
        candidate("a", score=0.56),
        candidate("bad") | {"score": None, "low": None, "high": None, "failed": "no."},
    ]
    found = compare_models(rows)
    assert found["failed"].tolist() == ["", "no."]
    assert len(plt.gcf().axes[0].get_yticklabels()) == 1
    assert recommend(rows)["name"] == "a"


def test_a_search_without_a_real_gain_keeps_the_untuned_model_and_says_so():
    untuned = candidate("xgboost", score=0.550, trials=1)
    gain = {"real": False, "text": "No gain beyond noise, so the untuned model is kept."}
    tuned = candidate("xgboost_tuned", score=0.556, trials=8, gain=gain)
    found = recommend([untuned, tuned])
    assert found["name"] == "xgboost"
    assert "so the untuned model is kept" in found["why"]
    real = recommend([untuned, tuned | {"gain": {"real": True, "text": ""}}])
    assert real["name"] == "xgboost_tuned"
    assert recommend([tuned])["name"] == "xgboost_tuned"


def test_a_yardstick_is_compared_and_not_recommended():
    asked, beside = candidate("xgboost"), candidate("line", "logistic_regression", score=0.9, yardstick=True)
    assert recommend([asked, beside])["name"] == "xgboost"
    assert (
        "simple model line, which was not asked for, scored higher (0.9): name it"
        in recommend([asked, beside])["why"]
    )
    assert "not asked for" not in recommend([asked, beside | {"score": 0.1}])["why"]
    assert recommend([beside])["name"] == "line"
    lower = [each | {"metric": "mae"} for each in (asked | {"score": 2.0}, beside)]
    assert "scored a smaller error (0.9)" in recommend(lower)["why"]
    assert len(compare_models([asked, beside], plot=False)) == 2


def test_the_confusion_matrix_is_a_frame_too_and_precision_and_recall_are_drawn():
    from omc_agent.tools.confusion import confusion_table

    frame = direction(bars=1200, signal=0.6)
    model = train_classification_model(frame.head(700))
    found = evaluate_model(model, frame.tail(450))
    counts = confusion_table(model, frame.tail(450))
    assert counts.to_numpy().sum() == found["rows"].item()
    right = counts.loc[0, 0] + counts.loc[1, 1]
    assert right / counts.to_numpy().sum() == pytest.approx(found["accuracy"].item())
    assert counts.loc[1, 1] / counts[1].sum() == pytest.approx(found["precision"].item())
    assert confusion_table(model, frame.tail(450), threshold=0.0)[0].sum() == 0
    titles = [plt.figure(number).axes[0].get_title(loc="left") for number in plt.get_fignums()]
    assert titles == ["Precision and recall", "Confusion at 0.5"]
    with pytest.raises(AgentError):
        confusion_table(train_regression_model(returns(bars=300)), frame)


def test_precision_and_recall_are_those_of_scikit_learn():
    from sklearn.metrics import precision_recall_curve

    rng = np.random.default_rng(0)
    target = (rng.random(300) > 0.6).astype(float)
    said = np.round(rng.random(300) * 0.5 + target * 0.3, 2)  # with ties
    from omc_agent.tools.evaluation_plots import draw_precision_recall

    draw_precision_recall(target, said)
    (line, _) = plt.gcf().axes[0].get_lines()
    precision, recall, _ = precision_recall_curve(target, said)
    assert line.get_ydata() == pytest.approx(precision[:-1][::-1])
    assert line.get_xdata() == pytest.approx(recall[:-1][::-1])
