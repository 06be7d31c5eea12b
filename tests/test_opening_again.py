"""A restart and an override that come after the scoring open the same rows again: counted, shown, and paid for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent import face
from omc_agent.branching import Turn
from omc_agent.config import settings_with
from tests.conftest import QUICK


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A run, a restart of its training after the scoring, and an override after that."""
    rng = np.random.default_rng(4)
    size = rng.normal(size=300)
    frame = pd.DataFrame({"size": size, "noise": rng.normal(size=300), "sold": rng.integers(0, 2, 300)})
    home = str(tmp_path_factory.mktemp("home"))
    settings = settings_with(None, home=home, target="sold", approve="never", **{**QUICK, "tuning_rounds": 0})
    goal = "Predict sold with logistic regression"
    first = face.start(goal, settings=settings, frames={"df": frame}).wait()
    restart = Turn("model_training", {}, "ann")
    second = face.change(first.id, restart, settings=settings, override=False).wait()
    override = Turn("model_training", {"models": ["random_forest"]}, "ann")
    return first, second, face.change(first.id, override, settings=settings, override=True).wait()


def test_each_opening_is_counted_and_its_level_shrinks(opened):
    first, second, third = (run.verdict for run in opened)
    assert [verdict["opened"] for verdict in (first, second, third)] == [1, 2, 3]
    assert [verdict["alpha"] for verdict in (first, second, third)] == pytest.approx([0.025, 0.025 / 3, 0.025 / 9])
    assert second["score"] == first["score"]  # the same choice on the same rows
    assert second["high"] - second["low"] > first["high"] - first["low"]


def test_openings_are_shown_in_words_and_new_bars_are_offered(opened):
    for run, times in zip(opened[1:], (2, 3), strict=True):
        sentence = run.texts["verdict"]["sentence"]
        assert f"opened {times} times" in sentence
        assert "Wait for new" in sentence
        assert f"opened {times} times" in run.report.path.read_text()
    assert "opened" not in opened[0].texts["verdict"]["sentence"]
