"""What a span can show is said before anything runs, and is what random walks were measured to show."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.brief import Brief
from omc_agent.tools.placements import auc_placements
from omc_agent.tools.power import smallest_auc_edge, span_power, span_sentence, standard_errors, what_span_shows

BAR = timedelta(minutes=5)
MARKET = {
    "bar_minutes": 5.0,
    "coins": {"BTC": {"rows": 9, "start": "2024-01-01T00:00:00+00:00", "end": "2024-03-30T23:55:00+00:00"}},
}


def goal(**changes):
    span = {"start": "2024-01-01T00:00:00+00:00", "end": "2024-03-31T00:00:00+00:00"}
    return Brief.model_validate({"task": "classification", "coins": ["BTC"], **span, **changes})


@pytest.mark.parametrize(("days", "horizons", "edge"), [(90, 432, 0.06), (249, 1195, 0.036)])
def test_the_smallest_edge_is_the_one_that_was_measured(days, horizons, edge):
    found = span_power(days, "PT1H", BAR)
    assert found.horizons == horizons
    assert found.smallest_edge == pytest.approx(edge, abs=0.001)
    assert found.enough


def test_the_standard_error_of_an_auc_that_knows_nothing_is_that_of_simulated_scores():
    rng = np.random.default_rng(0)
    n, aucs = 150, []
    for _ in range(2000):
        target = (rng.random(n) < 0.3).astype(float)
        aucs.append(auc_placements(target, rng.normal(size=n)).mean())
    assert smallest_auc_edge(n, share=0.3) / standard_errors() == pytest.approx(np.std(aucs), rel=0.06)


def test_an_edge_of_that_size_is_found_four_times_in_five():
    assert standard_errors() == pytest.approx(2.8, abs=0.01)
    rng = np.random.default_rng(1)
    z = rng.normal(loc=standard_errors(0.01), size=20_000)
    assert np.mean(z > 2.326) == pytest.approx(0.8, abs=0.01)


def test_a_day_ahead_on_ninety_days_cannot_be_judged_and_is_told_so_beforehand():
    said = what_span_shows(goal(horizon="P1D"), MARKET)
    assert "18 days of holdout" in said
    assert "inconclusive" in said
    assert "500 days" in said
    assert "at most 4 hours" in said


def test_the_days_are_those_that_the_market_holds():
    asked = goal(start="2023-01-01T00:00:00+00:00", end="2025-01-01T00:00:00+00:00")
    assert what_span_shows(asked, MARKET).startswith("These 90 days hold 432 hours of holdout")
    assert what_span_shows(goal(), {}).startswith("These 90 days")


@pytest.mark.parametrize(
    "brief",
    [
        Brief(task="analysis", coins=["BTC"]),
        Brief(task="classification", coins=["BTC"]),
        goal(end="2024-01-01T00:00:00+00:00"),
        Brief(task="classification", target="churn"),
    ],
    ids=["looks only", "no span", "empty span", "a table"],
)
def test_nothing_is_said_where_the_span_is_not_known(brief):
    assert what_span_shows(brief, MARKET) == ""


def test_a_value_has_no_smallest_edge_beforehand():
    assert "AUC" not in what_span_shows(goal(task="regression", target="return"), MARKET)


@given(
    days=st.floats(0.5, 3000),
    minutes=st.sampled_from([5, 15, 60, 240, 1440]),
    holdout=st.sampled_from([0.1, 0.2, 0.4]),
)
def test_the_days_that_are_promised_are_enough(days, minutes, holdout):
    horizon = timedelta(minutes=minutes)
    found = span_power(days, horizon, BAR, holdout)
    assert span_power(found.days_needed, horizon, BAR, holdout).enough
    assert span_power(days * 2, horizon, BAR, holdout).smallest_edge <= found.smallest_edge
    better = span_power(found.days_for(0.05), horizon, BAR, holdout)
    assert better.smallest_edge <= 0.0501 or not found.horizons
    assert ("inconclusive" in span_sentence(found)) is not found.enough
