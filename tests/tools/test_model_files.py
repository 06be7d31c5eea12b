"""Models survive their file, and a file that holds code is refused unread."""

from __future__ import annotations

import os

import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from synthetic import direction, returns

from omc_agent.errors import DataError
from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS
from omc_agent.tools.fitting import predict
from omc_agent.tools.model_files import load_model, save_model
from omc_agent.tools.modeling import train_classification_model, train_regression_model


@pytest.mark.parametrize("model", sorted({*CLASSIFIERS, *REGRESSORS}))
def test_models_survive_their_file(model, tmp_path):
    classes = model in CLASSIFIERS
    frame = direction(bars=400) if classes else returns(bars=400)
    fitted = (train_classification_model if classes else train_regression_model)(frame, model)
    sha = save_model(fitted, tmp_path / "model.skops")
    pd.testing.assert_series_equal(predict(load_model(tmp_path / "model.skops", sha), frame), predict(fitted, frame))


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile-ran",)


@pytest.mark.parametrize(
    "step", [FunctionTransformer(os.system), FunctionTransformer(Hostile()), FunctionTransformer(eval)]
)
def test_files_that_hold_code_are_refused_and_do_not_run(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    skops.io.dump(Pipeline([("scale", step)]), tmp_path / "hostile.skops")
    with pytest.raises(DataError, match="refused") as caught:
        load_model(tmp_path / "hostile.skops")
    assert caught.value.code == "data.unreadable"
    assert not (tmp_path / "hostile-ran").exists()


def test_pickles_other_files_and_changed_files_are_refused(tmp_path):
    import pickle

    pickled, absent = tmp_path / "pickle.skops", tmp_path / "absent.skops"
    pickled.write_bytes(pickle.dumps(Hostile()))
    sha = save_model(train_classification_model(direction(bars=300)), tmp_path / "model.skops")
    skops.io.dump([1, 2], tmp_path / "list.skops")
    for path, wanted in (
        (pickled, None),
        (absent, None),
        (tmp_path / "list.skops", None),
        (tmp_path / "model.skops", "0" * 64),
    ):
        with pytest.raises(DataError, match="refused"):
            load_model(path, wanted)
    assert load_model(tmp_path / "model.skops", sha)
