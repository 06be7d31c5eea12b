"""Visits of patients through the whole agent: no patient is on both sides of the seal, or of a fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent.errors import UsageError
from omc_agent.recipe import fetched_rows
from tests.conftest import QUICK

GOAL = "Predict ill with random forest"


def visits():
    """Each of 60 patients is ill or not by chance, and each has a mark that tells who it is."""
    rng = np.random.default_rng(6)
    who = np.repeat(np.arange(60), 5)
    mark = rng.normal(size=60)[who] + 1e-3 * rng.normal(size=300)
    frame = pd.DataFrame({"patient": [f"p{one}" for one in who], "mark": mark, "ill": rng.integers(0, 2, 60)[who]})
    return frame.sample(frac=1.0, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    quick = {**QUICK, "tuning_rounds": 0}
    return omc_agent.run(GOAL, data=visits(), target="ill", group="patient", home=home, **quick)


def test_no_patient_is_on_both_sides_of_the_seal(grouped):
    development, sealed = fetched_rows(grouped._row["summary"]["things"], grouped.workspace)
    assert not set(development["patient"]) & set(sealed["patient"])
    assert len(development) + len(sealed) == 300
    assert len(sealed) == 60


def test_the_group_is_no_feature_and_folds_keep_it(grouped):
    features = grouped.frames["features"]
    assert [name for name in features if name not in ("row_group", "target")] == ["mark"]
    assert features["row_group"].nunique() == 48
    # A model that knows each patient by its mark scores nothing on others.
    oof = grouped.frames[grouped.choice["oof"]]
    assert abs(grouped.choice["score"] - 0.5) < 0.2
    assert "row_group" in oof


def test_the_verdict_counts_patients_and_calls_no_edge_of_what_was_learned_by_heart(grouped):
    assert grouped.verdict["blocks"] == 12
    assert grouped.verdict["call"] == "inconclusive"
    assert "groups" in grouped.verdict["reason"]
    assert not [
        one for one in grouped.warnings if one["code"] in ("split_groups", "repeated_rows", "fitted_on_all_rows")
    ]


def test_the_run_comes_out_as_it_was_and_new_rows_need_no_patient(grouped):
    assert grouped.verify().same
    new = visits().drop(columns=["ill", "patient"]).head(5)
    said = grouped.predict(new)
    assert said.index.tolist() == [0, 1, 2, 3, 4]
    assert said["probability"].equals(grouped.predict(visits().head(5))["probability"])


def test_a_group_that_is_not_there_stops_with_one_sentence():
    with pytest.raises(UsageError, match="'patients' is not there"):
        omc_agent.run(GOAL, data=visits(), target="ill", group="patients", **QUICK)
