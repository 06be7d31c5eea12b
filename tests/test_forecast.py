"""Tables in time through the whole run: a series is forecast, rows that stand for themselves keep their columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent.errors import DataError
from tests.conftest import QUICK


def sales(rows: int = 600) -> pd.DataFrame:
    """Months with a wave, a trend and a little noise, in an index of times, shuffled."""
    rng = np.random.default_rng(0)
    values = 10 * np.sin(2 * np.pi * np.arange(rows) / 12) + 0.2 * np.arange(rows) + rng.normal(size=rows)
    months = pd.date_range("1960-01-01", periods=rows, freq="MS")
    return pd.DataFrame({"sales": values, "advert": rng.normal(size=rows)}, index=months).sample(
        frac=1, random_state=0
    )


def test_a_series_is_forecast_one_step_ahead_and_beats_what_anybody_could_say():
    result = omc_agent.run("Forecast sales with ridge", data=sales(), target="sales", **QUICK)
    assert result.verdict["call"] == "edge"
    assert all(result.verdict["beats"][rule] for rule in ("constant", "last", "reversal", "seasonal"))
    assert result.verdict["reference"] != "constant"
    names = {candidate["name"] for candidate in result.candidates if candidate["baseline"]}
    assert names == {"constant", "last", "reversal", "seasonal"}
    told = {warning["code"]: warning["text"] for warning in result.warnings}
    assert set(told) == {"series"}
    assert "one series, a step is about one month" in told["series"]
    features = result.frames["features"]
    assert {"sales_lag_12", "sales_season_move", "advert_lag_1", "year_sin_1"} < set(features)
    assert "advert" not in features
    later = sales(700).sort_index().tail(300).sample(frac=1, random_state=1)
    said = result.predict(later)
    assert said.index.equals(later.index)
    known = said["prediction"].dropna().index
    assert len(known) > 200
    assert (said["prediction"][known] - later["sales"][known]).abs().mean() < 2


def test_customers_with_a_date_keep_their_own_columns():
    rng = np.random.default_rng(1)
    size = rng.normal(size=600)
    frame = pd.DataFrame({
        "created_at": pd.date_range("2024-01-01", periods=600, freq="6h"),
        "size": size,
        "plan": rng.choice(["free", "paid"], 600),
        "churn": np.where(size + rng.normal(size=600) > 0, "yes", "no"),
    })  # fmt: skip
    goal = "Predict churn with logistic regression"
    result = omc_agent.run(goal, data=frame, target="churn", **QUICK)
    assert result.verdict["call"] in ("edge", "inconclusive")
    assert {"size", "plan", "timestamp"} < set(result.frames["features"])
    assert [c["name"] for c in result.candidates if c["baseline"]] == ["constant"]
    assert "Each row stands for itself" in {w["code"]: w["text"] for w in result.warnings}["series"]
    assert "leak" not in {w["code"] for w in result.warnings}


def test_a_time_column_that_is_none_ends_the_run_in_one_sentence():
    frame = sales().reset_index(drop=True).assign(moment="soon")
    with pytest.raises(DataError) as caught:
        omc_agent.run("Forecast sales", data=frame, target="sales", time="moment", **QUICK)
    assert caught.value.code == "data.no_time"
